//! What all requests share.

use crate::body::BodyLimits;
use crate::connections::Connections;
use crate::files::most_connections;
use crate::hosts::Hosts;
use crate::limits::RequestLimit;
use crate::memory::Memory;
use crate::rejections::Rejections;
use crate::request_body::Pace;
use crate::routes::import::BufferPool;
use crate::routes::ui::{DashboardStore, Intervals, Jobs, MOST_STREAMS};
use crate::telemetry::{Process, Telemetry};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::LimitsSection;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::Timestamp;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// The engine, the limits, and the server's own state.
pub(crate) struct App {
    /// The engine.
    pub(crate) engine: Engine,
    /// Source of "now".
    pub(crate) clock: Arc<dyn Clock>,
    /// `[limits]`
    pub(crate) limits: LimitsSection,
    /// Names under which it may be asked for.
    pub(crate) hosts: Hosts,
    /// Requests at once.
    pub(crate) requests: RequestLimit,
    /// Open connections.
    pub(crate) connections: Arc<Connections>,
    /// What they may take together.
    pub(crate) memory: Arc<Memory>,
    /// Reused buffers of imports.
    pub(crate) buffers: BufferPool,
    /// The newest requests with refused lines.
    pub(crate) rejections: Rejections,
    /// The server's metrics.
    pub(crate) telemetry: Arc<Telemetry>,
    /// When the server started, by the wall clock.
    pub(crate) started: Timestamp,
    /// Whether the server is stopping.
    pub(crate) stopping: watch::Sender<bool>,
    /// How far apart samples usually are.
    pub(crate) intervals: Intervals,
    /// The dashboard document.
    pub(crate) dashboard: DashboardStore,
    /// Actions that run or ran.
    pub(crate) jobs: Jobs,
    /// Streams that may be opened.
    pub(crate) streams: Arc<Semaphore>,
}

impl App {
    /// Serves `engine` at the address `listen`.
    pub(crate) fn new(engine: Engine, clock: Arc<dyn Clock>, listen: &str) -> Self {
        let limits = engine.config().limits.clone();
        let requests = RequestLimit::new(limits.max_concurrent_requests);
        let memory = Memory::new(limits.max_request_memory);
        let telemetry = Arc::new(Telemetry::new(requests.clone()));
        engine.add_stats_source(telemetry.clone());
        engine.add_stats_source(Arc::new(Process::new(clock.clone())));
        let most = most_connections(limits.max_connections);
        Self {
            connections: Connections::new(requests.clone(), most, limits.max_connections_per_address),
            hosts: Hosts::new(&engine.config().access.hosts, listen),
            requests,
            buffers: BufferPool::of(memory.limit()),
            memory,
            rejections: Rejections::default(),
            telemetry,
            started: clock.now(),
            stopping: watch::Sender::new(false),
            intervals: Intervals::default(),
            jobs: Jobs::default(),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            dashboard: DashboardStore::new(
                engine.file_system(),
                engine.root().join(&engine.config().web.dashboard_config),
            ),
            engine,
            clock,
            limits,
        }
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
