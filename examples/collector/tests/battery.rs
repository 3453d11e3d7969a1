//! The collector on a tree, and the program with it linked in.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use drip::trial::Trial;
use example_collector as _;
use std::process::Command;

fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("BAT0/capacity", "83\n"),
        ("BAT0/voltage_now", "4123000\n"),
        ("BAT0/current_now", "-512000\n"),
        ("AC/online", "1\n"),
    ] {
        let path = tree.path().join("sys/class/power_supply").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    tree
}

#[test]
fn a_battery_has_charge_voltage_and_current() {
    let mut trial = Trial::new("battery", "").unwrap();
    let lines = trial.cycle(tree().path(), 0).unwrap();
    assert_eq!(lines, "battery.BAT0.pct 83\nbattery.BAT0.uv 4123000\nbattery.BAT0.ua -512000\n");
}

#[test]
fn a_machine_without_one_has_no_metrics_and_mistakes_are_told() {
    let nowhere = tempfile::tempdir().unwrap();
    let mut trial = Trial::new("battery", "").unwrap();
    assert_eq!(trial.cycle(nowhere.path(), 0).unwrap_err(), "there is no /sys/class/power_supply");
    let told = Trial::new("battery", "skp = []").err().unwrap();
    assert_eq!(told, "drip.toml: collectors.battery.skp: unknown key; accepted: skip");
}

#[test]
fn the_program_has_it_beside_the_others() {
    let tree = tree();
    let output = Command::new(env!("CARGO_BIN_EXE_drip-battery"))
        .args(["--once", "--interval", "100ms", "--root-fs"])
        .arg(tree.path())
        .env("STATE_DIRECTORY", tree.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("metrics/battery.BAT0.pct 83 "), "{text}");
    assert!(text.contains("metrics/drip.cycle_ms "), "{text}");
}
