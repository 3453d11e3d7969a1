//! `drip --check`: what works on this host and what does not, before it is a service.

use crate::answer::{self, Newest};
use crate::client::Client;
use crate::collector::CollectError;
use crate::config::Config;
use crate::gather::{Finding, Gatherer};
use crate::spool::Spool;
use crate::stats::MARKER;
use crate::{hosts, identity};
use bytes::Bytes;
use hyper::Method;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// A line on the terminal. A reader that goes away (`drip --check | head -1`) is no failure.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Prints a report. The exit code is 0 when nothing fails; what this host does not have is no failure.
pub(crate) async fn check(config: Config, file: Option<&Path>) -> ExitCode {
    match file {
        Some(file) => say!("configuration  {}: valid", file.display()),
        None => say!("configuration  defaults, there is no file"),
    }
    let disabled: Vec<_> = config.collectors.iter().filter(|c| !c.enabled).map(|c| c.name).collect();
    let mut failures = 0;
    say!("spool          {}", spool(&config, &mut failures));
    let mut client = Client::new(config.server.clone(), config.timeout);
    say!("server         {}", server(&mut client, &config, &mut failures).await);
    say!("collectors");
    let mut gatherer = Gatherer::new(config.collectors, &config.root, &config.spool.dir);
    for finding in gatherer.check().await {
        failures += report(&finding);
    }
    for name in disabled {
        say!("  {name:<15}switched off");
    }
    match failures {
        0 => ExitCode::SUCCESS,
        _ => {
            say!("{failures} {} to look at", if failures == 1 { "thing" } else { "things" });
            ExitCode::FAILURE
        }
    }
}

fn spool(config: &Config, failures: &mut u32) -> String {
    let dir = config.spool.dir.display();
    if !config.spool.enabled {
        return "switched off: cycles are lost while the server is away".to_owned();
    }
    // A check makes no directory: it may run as another user than the service.
    if !config.spool.dir.exists() {
        return format!("{dir}: to be made, {} bytes at most", config.spool.max_bytes);
    }
    match Spool::open(&config.spool) {
        Ok(spool) if spool.is_empty() => format!("{dir}: empty, {} bytes at most", config.spool.max_bytes),
        Ok(spool) => format!("{dir}: {} bytes wait to be sent", spool.bytes()),
        Err(reason) if reason.contains("another drip") => format!("{dir}: in use by a drip that runs"),
        Err(reason) => {
            *failures += 1;
            format!("FAILS: {reason}")
        }
    }
}

async fn server(client: &mut Client, config: &Config, failures: &mut u32) -> String {
    let database = &config.database;
    let outcome = match client.request(Method::GET, "/health", Bytes::new()).await {
        Err(reason) => Err(reason),
        Ok(health) if !health.status.is_success() => {
            Err(format!("{}: {}", health.status, String::from_utf8_lossy(&health.body).trim()))
        }
        Ok(_) => {
            // Something else may have a /health as well.
            let path = format!("/api/v1/query?query={database}/{MARKER}");
            match client.request(Method::GET, &path, Bytes::new()).await {
                Ok(found) => answer::newest(&found.body),
                Err(reason) => Err(reason),
            }
        }
    };
    let outcome = match outcome {
        Ok(found) => match another_host(client, config).await {
            Ok(None) => Ok(found),
            Ok(Some(reason)) | Err(reason) => Err(reason),
        },
        failed => failed,
    };
    let url = &config.server;
    match outcome {
        Ok(Newest { sample: Some(_), .. }) => format!("{url}: answers, database {database} has samples of drip"),
        Ok(Newest { sample: None, .. }) => format!("{url}: answers, database {database} has no samples of drip yet"),
        Err(reason) => {
            *failures += 1;
            format!("FAILS: {url}: {reason}")
        }
    }
}

/// Whether a drip of another host writes into the same database.
async fn another_host(client: &mut Client, config: &Config) -> Result<Option<String>, String> {
    let own = identity::marker(&config.root, &config.database);
    let answer =
        client.request(Method::GET, &hosts::recent_path(&config.database, config.interval), Bytes::new()).await?;
    Ok(hosts::another(&answer, own)?.map(|_| hosts::conflict(&config.database)))
}

/// Prints what one collector does. Returns the number of failures.
fn report(finding: &Finding) -> u32 {
    let Finding { name, samples, error, problems, absent, hangs } = finding;
    let metrics = if *samples == 1 { "metric" } else { "metrics" };
    let failed = match error {
        _ if *hangs => {
            say!("  {name:<15}FAILS: no answer within its timeout");
            1
        }
        Some(CollectError::NotHere(reason)) => {
            say!("  {name:<15}not here: {reason}");
            0
        }
        Some(e) => {
            say!("  {name:<15}FAILS: {e}");
            1
        }
        None => {
            say!("  {name:<15}works, {samples} {metrics}");
            0
        }
    };
    for problem in problems {
        say!("  {:<15}FAILS: {problem}", "");
    }
    for note in absent {
        say!("  {:<15}without {note}", "");
    }
    failed + u32::try_from(problems.len()).unwrap_or(u32::MAX)
}
