//! What all requests share.

use crate::body::BodyLimits;
use crate::limits::RequestLimit;
use crate::memory::Memory;
use crate::request_body::Pace;
use crate::states::{Kept, States};
use crate::telemetry::{Process, Telemetry};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::LimitsSection;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::Timestamp;
use nanotdb_server_settings::WebSection;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The engine, the clock, the limits, and what endpoints keep.
pub struct App {
    /// The engine.
    pub(crate) engine: Engine,
    /// Source of "now".
    pub(crate) clock: Arc<dyn Clock>,
    /// `[limits]`
    pub(crate) limits: LimitsSection,
    /// Requests at once.
    pub(crate) requests: RequestLimit,
    /// What they may take together.
    pub(crate) memory: Arc<Memory>,
    /// The server's metrics.
    pub(crate) telemetry: Arc<Telemetry>,
    /// When the server started, by the wall clock.
    pub(crate) started: Timestamp,
    /// Whether the server is stopping.
    pub(crate) stopping: watch::Sender<bool>,
    states: States,
}

/// What endpoints keep from request to request. There is one of each type in a server, made when it is first asked for: of two servers in one
/// process each has its own, which a `static` would not give.
pub trait State: Any + Send + Sync {
    /// Makes it. It may ask for other states, but not for itself.
    fn new(app: &App) -> Self
    where
        Self: Sized;

    /// The server stops: ends what it runs, within `most`.
    fn stop(&self, most: Duration) {
        let _ = most;
    }
}

impl State for WebSection {
    fn new(app: &App) -> Self {
        Self::of(app.engine.config())
    }
}

impl<T: State> Kept for T {
    fn stop(&self, most: Duration) {
        State::stop(self, most);
    }
}

impl App {
    /// Serves `engine`; requests are counted under `names`.
    pub(crate) fn new(engine: Engine, clock: Arc<dyn Clock>, names: &'static [&'static str]) -> Self {
        let limits = engine.config().limits.clone();
        let requests = RequestLimit::new(limits.max_concurrent_requests);
        let telemetry = Arc::new(Telemetry::new(names, requests.clone()));
        engine.add_stats_source(telemetry.clone());
        engine.add_stats_source(Arc::new(Process::new(clock.clone())));
        Self {
            requests,
            memory: Memory::new(limits.max_request_memory),
            telemetry,
            started: clock.now(),
            stopping: watch::Sender::new(false),
            states: States::default(),
            engine,
            clock,
            limits,
        }
    }

    /// The databases.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// `[limits]` of engine.toml. What a request takes of its body and of the memory of all requests is looked at without anybody's help;
    /// for the others see docs/CONFIGURATION.md.
    pub fn limits(&self) -> &LimitsSection {
        &self.limits
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ready when the server is to stop: what goes on for longer than a request ends then.
    pub async fn stopped(&self) {
        let _ = self.stopping.subscribe().wait_for(|stop| *stop).await;
    }

    /// What endpoints keep from request to request, made when it is first asked for.
    pub fn state<T: State>(&self) -> &T {
        self.states.get(|| T::new(self))
    }

    /// Ends what states run.
    pub(crate) fn stop(&self, most: Duration) {
        self.states.stop(most);
    }

    /// How fast request bodies have to come.
    pub(crate) fn pace(&self) -> Pace {
        Pace { rate: self.limits.min_body_rate, longest: self.limits.max_body_time }
    }

    /// Limits of request bodies.
    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { sent: self.limits.max_body_bytes, decoded: self.limits.max_decoded_body_bytes }
    }
}
