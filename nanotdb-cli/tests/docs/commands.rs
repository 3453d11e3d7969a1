//! The commands of the pages run, in order, page by page, and answer as shown.

use crate::blocks;
use crate::server::Place;

/// Runs the tested blocks of a page in a fresh place. `least` keeps a page from losing its tests unseen.
#[track_caller]
fn run(page: &str, least: usize) {
    let text = crate::read(&crate::repository().join(page));
    let blocks = blocks::tested(&text);
    assert!(blocks.len() >= least, "{page} has only {} tested blocks", blocks.len());
    let place = Place::new();
    let mut wrong = Vec::new();
    for block in blocks {
        let outcome = place.run(&block.script).and_then(|got| match &block.answer {
            Some((language, shown)) => blocks::compare(language, shown, &got),
            None => Ok(()),
        });
        if let Err(reason) = outcome {
            wrong.push(format!("{page}:{}\n{}\n{reason}\n", block.line, block.script));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n----\n"));
}

#[test]
fn the_hello_world_of_the_readme_works() {
    run("README.md", 3);
}

#[test]
fn getting_started_goes_as_documented() {
    run("docs/GETTING_STARTED.md", 2);
}

#[test]
fn the_http_api_answers_as_documented() {
    run("docs/HTTP_API.md", 12);
}

#[test]
fn nanocli_answers_as_documented() {
    run("docs/CLI.md", 10);
}

#[test]
fn recovery_goes_as_documented() {
    run("docs/RECOVERY.md", 7);
}

#[test]
fn backups_go_as_documented() {
    run("docs/BACKUP.md", 5);
}

#[test]
fn metric_files_are_made_and_converted_as_documented() {
    run("docs/METRIC_FILES.md", 5);
}

#[test]
fn operations_go_as_documented() {
    run("docs/OPERATIONS.md", 4);
}

#[test]
fn rollups_are_made_as_documented() {
    run("docs/ROLLUPS.md", 5);
}

#[test]
fn drip_collects_and_spools_as_documented() {
    run("docs/DRIP.md", 6);
}

#[test]
fn a_failing_command_is_a_failure() {
    let place = Place::new();
    assert!(place.run("echo fine").is_ok());
    assert!(place.run("false; echo hidden").is_err());
    assert!(place.run("nanocli query --db nowhere --metric . | cat").is_err());
}
