//! What the `nanotdb` program does: HTTP, the pages, upkeep in the background, the demo. `nanotdb-server` is its door.

#![deny(unsafe_code)]

mod allocator;
mod app;
mod args;
mod blocking;
mod body;
mod caching;
mod configuration;
mod connections;
#[cfg(test)]
mod cut_answers;
mod demo;
mod description;
#[cfg(test)]
mod disk_trouble;
pub mod endpoint;
mod error;
mod exchange;
mod files;
// One source for the three programs; drip depends on no crate of the server.
#[path = "../../../drip/src/flags.rs"]
mod flags;
mod guard;
mod hosts;
mod json;
mod json_stream;
mod limits;
mod location;
mod logging;
mod matrix_text;
mod memory;
mod params;
mod rejections;
mod request_body;
mod respond;
mod routes;
mod serve;
#[cfg(test)]
mod served;
mod stall;
mod states;
mod supervisor;
mod telemetry;
mod times;
mod workers;

// Plugins register themselves when their crate is linked, and a crate is linked when it is named.
use nanotdb_codecs as _;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;

use anyhow::{Context, Result, bail};
use app::App;
use args::{Args, Command};
use clap::{CommandFactory, Parser};
use configuration::{Configuration, configuration, initialise, write_missing};
use demo::{Demo, DemoArgs, Feed};
use endpoint::table;
use location::Location;
use nanotdb_core::clock::SystemClock;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::model::counted;
use nanotdb_core::plugin::listing;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::{RealVfs, Vfs, foreign_owner};
use std::borrow::Cow;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use workers::Workers;

/// Runs the server with the process's arguments until SIGTERM or SIGINT. Exit codes: 0, or what
/// [`nanotdb_core::Error::exit_code`] says, or 1.
pub fn run() -> ExitCode {
    allocator::give_back();
    let args = Args::parse_from(flags::with_two_dashes(&Args::command(), std::env::args_os()));
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nanotdb: {error:#}");
            let code = error.downcast_ref::<nanotdb_core::Error>().map_or(1, nanotdb_core::Error::exit_code);
            ExitCode::from(code)
        }
    }
}

fn start(args: &Args) -> Result<()> {
    if args.plugins {
        registry().check()?;
        table().check()?;
        // A reader that goes away (`nanotdb --plugins | head -1`) is no failure.
        let _ = std::io::stdout().write_all(listing::table(&registry().list()).as_bytes());
        return Ok(());
    }
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
    if let Some(directory) = &args.export_web_assets {
        return export_web_assets(vfs.as_ref(), directory);
    }
    if let Some(Command::Demo(demo)) = &args.command {
        return start_demo(demo, vfs);
    }
    let location = args.location();
    if let Some(data) = args.data.as_deref().filter(|data| data.is_file()) {
        let reason = format!("{} is a file; --data takes a directory", data.display());
        return Err(nanotdb_core::Error::bad_input(reason).into());
    }
    if args.init {
        if args.config.is_none() && args.data.is_none() {
            let needed = "--init needs --config PATH or --data DIR, to know where engine.toml goes";
            return Err(nanotdb_core::Error::bad_input(needed).into());
        }
        return initialise(vfs.as_ref(), &location);
    }
    let address = Address { listen: args.listen.as_deref(), port_file: args.port_file.as_deref() };
    serve_location(&location, address, None, vfs)
}

/// `nanotdb demo`
fn start_demo(args: &DemoArgs, vfs: Arc<dyn Vfs>) -> Result<()> {
    let demo = Demo::prepare(args, vfs.as_ref())?;
    let location = Location::of_root(demo.root().to_owned());
    let address = Address { listen: args.listen.as_deref(), port_file: args.port_file.as_deref() };
    serve_location(&location, address, Some(&demo), vfs)?;
    demo.finish(args.listen.as_deref())
}

/// Where to listen, and whom to tell the port.
#[derive(Clone, Copy)]
struct Address<'a> {
    /// Instead of `engine.listen`.
    listen: Option<&'a str>,
    port_file: Option<&'a Path>,
}

/// Serves a directory until a signal comes.
fn serve_location(location: &Location, address: Address<'_>, demo: Option<&Demo>, vfs: Arc<dyn Vfs>) -> Result<()> {
    table().check()?;
    let Configuration { config, warnings, is_missing } = configuration(vfs.as_ref(), location)?;
    logging::start(&config.logging, &location.root).context("starting the log")?;
    // They name the file.
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name("nanotdb-disk")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    // Bound first: a second server is told so at once, and clients of this one wait instead of being refused.
    let listener = runtime.block_on(serve::bind(address.listen.unwrap_or(&config.engine.listen)))?;
    // Not before: a server that cannot serve leaves nothing behind.
    if is_missing && let Some(warning) = write_missing(vfs.as_ref(), location)? {
        tracing::warn!("{warning}");
    }
    if let Some(user) = foreign_owner(&location.root) {
        tracing::warn!(
            "running as root in a directory of user {user}: what is made belongs to that user, and links of others are not followed"
        );
    }
    // Threads are started here, where a refusal of the system is an error like any other: inside of a runtime it is a panic.
    let signal = runtime.block_on(async { stop_signal() })?;
    let clock: Arc<SystemClock> = Arc::new(SystemClock::default());
    let engine = open_engine(&location.root, EngineOptions { vfs, clock: clock.clone(), background: true }, config)?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = Workers::start(cores.max(2)).context("starting threads")?;
    room_for_threads(cores.max(2)).context("starting threads")?;
    let result = runtime.block_on(serve_root(listener, address, demo, (engine, clock), Arc::new(workers), signal));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Whether so many more threads can be there at once: a runtime that is refused one for a request can only panic.
fn room_for_threads(count: usize) -> std::io::Result<()> {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let start = || {
        let held = Arc::clone(&held);
        // It ends when nobody holds it any more, for which nobody has to wait.
        let wait = move || drop(held.lock().map(|held| held.recv()));
        std::thread::Builder::new().name("nanotdb-disk".into()).spawn(wait).map(drop)
    };
    let outcome = (0..count).try_for_each(|_| start());
    drop(hold);
    outcome
}

/// `--export-web-assets`
fn export_web_assets(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    let files: Vec<(PathBuf, Cow<'static, [u8]>)> =
        nanotdb_ui::assets().map(|(path, bytes)| (directory.join(path.trim_start_matches('/')), bytes)).collect();
    if files.is_empty() {
        bail!("this program was built without the web interface; there is nothing to export");
    }
    // Looked at first, so that nothing is written when one of them is there.
    for (path, _) in &files {
        if vfs.entry(path).with_context(|| format!("looking at {}", path.display()))?.is_some() {
            bail!("{} exists already and may hold changes; name another directory", path.display());
        }
    }
    for (path, bytes) in &files {
        let write = || {
            vfs.create_dir_all(path.parent().unwrap_or(directory))?;
            vfs.replace(path, bytes)
        };
        write().with_context(|| format!("writing {}", path.display()))?;
    }
    println!(
        "wrote {} to {}; to serve them, set in engine.toml: [web] web_root = {:?}",
        counted(files.len() as u64, "file"),
        directory.display(),
        std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
    );
    Ok(())
}

async fn serve_root(
    listener: TcpListener,
    address: Address<'_>,
    demo: Option<&Demo>,
    (engine, clock): (Engine, Arc<SystemClock>),
    workers: Arc<Workers>,
    signal: impl Future<Output = ()>,
) -> Result<()> {
    let local = listener.local_addr().context("reading the listener's address")?;
    if let Some(path) = address.port_file {
        let text = local.port().to_string();
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let url = url(local);
    let loggers = &engine.config().logging.loggers;
    let on_console = loggers.is_empty() || loggers.iter().any(|logger| logger.output == "console");
    tracing::info!(data = %engine.root().display(), version = env!("CARGO_PKG_VERSION"), "listening on {url}");
    if !local.ip().is_loopback() {
        let port = local.port();
        tracing::info!(
            "every machine that reaches {local} can read and write here; for this one alone: --listen 127.0.0.1:{port}"
        );
    }
    match demo {
        Some(demo) => demo.announce(&url),
        None if !on_console => {
            eprintln!("NanoTDB is listening on {url}, with its data in {}", engine.root().display());
        }
        None => {}
    }

    let listen = address.listen.unwrap_or(&engine.config().engine.listen).to_owned();
    let app = Arc::new(App::new(engine.clone(), clock, table().names()));
    let feed =
        demo.map(|demo| Feed::start(engine.clone(), demo.plan.clone())).transpose().context("starting a thread")?;
    let watch = tokio::spawn(supervisor::watch(engine.clone(), Arc::clone(&workers)));
    supervisor::ready(format!("serving {} on {url}", engine.root().display())).await;
    let drained = serve::serve(listener, Arc::clone(&app), &listen, &workers, signal).await;
    supervisor::stopping().await;
    blocking::run(move || app.stop(limits::DRAIN_TIMEOUT)).await.context("stopping actions")?;
    watch.abort();
    let _ = watch.await;
    // Joining takes a moment and must not be done on a thread of a runtime that others wait for.
    blocking::run(move || drop((workers, feed))).await.context("stopping threads")?;
    if !drained {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    blocking::run(move || engine.close()).await.context("closing the engine")??;
    tracing::info!("stopped; everything is on disk");
    Ok(())
}

/// Opens the data directory, with the databases that are to be there.
fn open_engine(root: &Path, options: EngineOptions, config: EngineConfig) -> Result<Engine> {
    let databases = config.default_databases.clone();
    let engine = Engine::open_with(root, config, options)?;
    for name in databases.iter().filter(|name| !engine.has_database(name)) {
        engine.create_database(name)?;
    }
    Ok(engine)
}

/// How a browser on this machine reaches the server.
fn url(local: SocketAddr) -> String {
    if local.ip().is_unspecified() { format!("http://localhost:{}", local.port()) } else { format!("http://{local}") }
}

/// Ready at SIGTERM or SIGINT. A second signal ends the process at once: what was acknowledged is in the WAL.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        let name = tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        tracing::info!("{name}: finishing what is running");
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
    })
}

/// Ready at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("finishing what is running");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_ones_that_a_browser_opens() {
        assert_eq!(url("[::]:8428".parse().unwrap()), "http://localhost:8428");
        assert_eq!(url("0.0.0.0:80".parse().unwrap()), "http://localhost:80");
        assert_eq!(url("[::1]:8428".parse().unwrap()), "http://[::1]:8428");
    }
}
