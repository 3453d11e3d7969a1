//! What clients are told while the disk has trouble, over real connections to a simulated one.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::served::Served;
use nanotdb_core::config::{EngineConfig, FsyncPolicy};
use nanotdb_core::storage::vfs::sim::{Fault, SimVfs};
use serde_json::json;

fn dashboard(title: &str) -> String {
    json!({"title": title, "groups": [{"id": "all", "widgets": []}]}).to_string()
}

/// Nothing is wrong with the document: it is to come again, and the one before is as it was.
#[test]
fn a_dashboard_that_finds_no_room_is_to_come_again() {
    const PATH: &str = "/api/dashboard-config";
    let served = Served::start(SimVfs::new(5), EngineConfig::default());
    let save = |title: &str| served.send("PUT", PATH, &dashboard(title));
    let title = || served.send("GET", PATH, "").2["title"].clone();
    assert_eq!(save("first").0, 200);
    for (room, trouble) in [(Some(0), None), (Some(60), None), (None, Some(Fault::Emfile)), (None, Some(Fault::Erofs))]
    {
        served.vfs.set_capacity(room.map(|room| served.vfs.used() + room));
        if let Some(trouble) = trouble {
            served.vfs.fail_from(1, trouble);
        }
        let (status, head, answer) = save("second");
        assert_eq!((status, &answer["errorType"]), (503, &json!("unavailable")), "{room:?} {trouble:?}: {answer}");
        assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
        assert!(answer["error"].as_str().unwrap().contains("dashboard"), "{answer}");
        served.vfs.clear_faults();
        served.vfs.set_capacity(None);
        assert_eq!(title(), "first", "{room:?} {trouble:?}");
    }
    assert_eq!(save("second").0, 200);
    assert_eq!(title(), "second");
}

/// After an fsync that failed, answers show samples that nobody was promised. Who asks whether its batch has arrived is told so.
#[test]
fn answers_say_when_their_newest_samples_may_not_be_stored() {
    const T: i64 = 1_715_000_000_000_000_000;
    let mut config = EngineConfig::default();
    config.wal.fsync_policy = FsyncPolicy::Always;
    let served = Served::start(SimVfs::new(6), config);
    let import = |text: String| served.send("POST", "/api/v1/import", &text);
    let query = |database: &str| served.send("GET", &format!("/api/v1/query?query={database}/m"), "").2["data"].clone();
    let range = |database: &str| {
        served.send("GET", &format!("/api/v1/query_range?query={database}/m&start=2024-05-06"), "").2["data"].clone()
    };
    assert_eq!(import(format!("demo/m 1 {T}\nother/m 1 {T}\n")).0, 200);
    for database in ["demo", "other"] {
        assert!(query(database).get("warnings").is_none() && range(database).get("warnings").is_none());
    }
    // The batch is in the log, which cannot be forced to the device.
    served.vfs.fail_at(2, Fault::Eio);
    let (status, head, answer) = import(format!("demo/m 2 {}\n", T + 1));
    assert_eq!((status, &answer["data"]["imported"]), (503, &json!(0)), "{answer}");
    assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
    for found in [query("demo"), range("demo")] {
        let text = found["warnings"][0].as_str().unwrap_or_else(|| panic!("{found}"));
        assert!(text.contains("\"demo\" is read-only") && text.ends_with("may not be stored"), "{text}");
    }
    for found in [query("other"), range("other")] {
        assert!(found.get("warnings").is_none(), "{found}");
    }
    // Also when nothing is found.
    let none = served.send("GET", "/api/v1/query?query=demo/none", "").2;
    assert_eq!(none["data"]["result"], json!([]));
    assert_eq!(none["data"]["warnings"].as_array().map(Vec::len), Some(1), "{none}");
    // Of two databases in one body, one goes on.
    let (status, _, answer) = import(format!("demo/m 3 {}\nother/m 3 {}\n", T + 2, T + 2));
    assert_eq!(
        (status, &answer["data"]["imported"], &answer["data"]["failed"]),
        (503, &json!(1), &json!(1)),
        "{answer}"
    );
    assert_eq!(served.send("GET", "/health", "").0, 503);
}
