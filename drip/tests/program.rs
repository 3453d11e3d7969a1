//! The program as a person and a service manager meet it: command line, collectors that hang, systemd.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{DRIP, Drip, Server, tree, until};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Exit code, standard output, standard error.
fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(DRIP).args(args).current_dir(dir).env("STATE_DIRECTORY", dir.join("state")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn init_writes_a_file_that_check_accepts_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = run(dir.path(), &["--init"]);
    assert_eq!((code, out.as_str()), (0, "wrote drip.toml; try it with: drip --check --config drip.toml\n"));
    let written = std::fs::read_to_string(dir.path().join("drip.toml")).unwrap();
    std::fs::write(dir.path().join("drip.toml"), format!("{written}# mine\n")).unwrap();
    let (code, _, err) = run(dir.path(), &["--init"]);
    assert_eq!((code, err.as_str()), (1, "drip: drip.toml is there already, and is left as it is\n"));
    assert!(std::fs::read_to_string(dir.path().join("drip.toml")).unwrap().ends_with("# mine\n"));
    let server = Server::new();
    let url = format!("http://127.0.0.1:{}", server.port);
    let pi = tree("pi5", "a").display().to_string();
    let args = ["--check", "--config", "drip.toml", "--server-url", &url, "--root-fs", &pi];
    let (code, out, err) = run(dir.path(), &args);
    assert_eq!(code, 0, "{out}{err}");
    for line in [
        "configuration  drip.toml: valid",
        ": answers, database metrics has no samples of drip yet",
        "  memory         works, 10 metrics",
        "  onewire        not here: there is no /sys/bus/w1/devices",
        "state: to be made, 268435456 bytes at most",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }
    assert!(!dir.path().join("state").exists(), "a check leaves no directory behind");
    // As `| head -1` does.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(DRIP);
    let gone = command.args(args).current_dir(dir.path()).env("STATE_DIRECTORY", dir.path().join("state"));
    let gone = gone.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!((gone.status.code(), String::from_utf8(gone.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn check_says_what_fails_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root/proc");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("loadavg"), "nonsense").unwrap();
    std::fs::write(dir.path().join("state"), "a file").unwrap();
    std::fs::write(dir.path().join("drip.toml"), "[collectors.cpu]\nenabled = false\n").unwrap();
    // A port that nobody listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let (code, out, _) =
        run(dir.path(), &["--check", "--config", "drip.toml", "--root-fs", "root", "--server-url", &url]);
    assert_eq!(code, 1, "{out}");
    for part in [
        "spool          FAILS: ",
        "server         FAILS: http://127.0.0.1:",
        "Connection refused",
        "  loadavg        FAILS: /proc/loadavg: does not have three averages",
        "  memory         not here: there is no /proc/meminfo",
        "  cpu            switched off",
        "things to look at",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
}

#[test]
fn a_wrong_file_or_option_is_told_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("drip.toml"), "database = \"a b\"\n[collectors.disk]\nskpi = []\n").unwrap();
    for mode in [&["--check"][..], &["--once"], &[]] {
        let (code, out, err) = run(dir.path(), &[mode, &["--config", "drip.toml"]].concat());
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(
            err,
            "drip: drip.toml: database: \"a b\" is not usable; accepted: 1 to 64 letters, digits, `_`, `.` and `-`, not \
             beginning with `.` or `-`\n\
             drip: drip.toml: collectors.disk.skpi: unknown key; accepted: enabled, timeout_ms, max_series, skip, also\n"
        );
    }
    let (code, _, err) = run(dir.path(), &["--config", "none.toml"]);
    assert!(code == 2 && err.contains("none.toml") && err.contains("drip --init --config none.toml"), "{err}");
    let (code, _, err) = run(dir.path(), &["--interval", "10"]);
    assert!(code == 2 && err.contains("accepted: a whole number with ms, s, m or h"), "{err}");
}

#[test]
fn once_prints_line_protocol_that_the_server_takes() {
    let dir = tempfile::tempdir().unwrap();
    let pi = tree("pi3", "a").display().to_string();
    let (code, out, err) = run(dir.path(), &["--once", "--root-fs", &pi, "--database", "pi", "--interval", "10s"]);
    assert!(code == 1 && err.contains("only zeros on the wire"), "one sensor of the tree is broken: {code} {err}");
    let times: Vec<&str> = out.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert!(times.iter().all(|t| t == &times[0] && t.ends_with("0000000000")), "one time, a multiple of 10 s: {out}");
    let server = Server::new();
    let (status, body) = server.post(&out);
    assert_eq!(
        (status, body.as_str()),
        (200, format!(r#"{{"status":"success","data":{{"imported":{}}}}}"#, times.len()).as_str())
    );
    assert!(out.contains("pi/temp.cpu 48686 ") && out.contains("pi/sys.load1 0.12 "), "{out}");
}

/// A tree in which reading /proc/loadavg never comes back: nobody writes to the pipe.
fn tree_that_hangs(dir: &Path) {
    assert!(Command::new("cp").arg("-r").arg(tree("pi3", "a")).arg(dir.join("root")).status().unwrap().success());
    let pipe = dir.join("root/proc/loadavg");
    std::fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
}

/// With a collector that does not answer, which may take so long.
fn start_with_one_that_hangs(server: &Server, dir: &Path, timeout_ms: u32) -> Drip {
    tree_that_hangs(dir);
    let toml = format!(
        "server_url = \"http://127.0.0.1:{}\"\ncollection_interval_ms = 500\nroot = \"{}\"\n\
         [collectors.loadavg]\ntimeout_ms = {timeout_ms}\n[collectors.sd_write_probe]\nenabled = false\n",
        server.port,
        dir.join("root").display()
    );
    std::fs::write(dir.join("drip.toml"), toml).unwrap();
    Drip::start_again(dir)
}

#[test]
fn a_collector_that_hangs_holds_up_none_of_the_others() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = start_with_one_that_hangs(&server, dir.path(), 1200);
    server.wait_for_cycles(5);
    drip.wait_for_log("loadavg: no answer within 1.2s; its metrics are left out until it answers");
    let cycles = server.samples("metrics/drip.cycles");
    // Every cycle has everything else.
    for metric in ["cpu.user", "mem.total", "net.eth0.rx_bytes", "temp.28-0316a2791aff.mdeg", "drip.cycle_ms"] {
        assert!(server.samples(&format!("metrics/{metric}")).len() >= cycles.len(), "{metric}");
    }
    assert!(server.samples("metrics/sys.load1").is_empty());
    // Now it answers: too late for the cycle it was asked in, in time for the ones to come. Those read a plain file.
    let path = dir.path().join("root/proc/loadavg");
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::fs::write(path.with_extension("new"), "0.75 0.5 0.5 1/2 3\n").unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    pipe.write_all(b"0.5 0.5 0.5 1/2 3\n").unwrap();
    drop(pipe);
    until("it is back", || (!server.samples("metrics/sys.load1").is_empty()).then_some(()));
    drip.wait_for_log("loadavg: works again");
    assert_eq!(drip.log().matches("loadavg: no answer").count(), 1, "{}", drip.log());
    assert!(server.samples("metrics/sys.load1").iter().all(|(_, value)| *value == 0.75));
    assert!(drip.stop().success());
    let cycles = server.cycles();
    assert_eq!(cycles, (1..=cycles.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_first_reading_that_is_late_is_thrown_away_as_well() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = start_with_one_that_hangs(&server, dir.path(), 600000);
    server.wait_for_cycles(2);
    // The first reading, which is there for the rates of the next one, ends now; those to come read a plain file.
    let path = dir.path().join("root/proc/loadavg");
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::fs::write(path.with_extension("new"), "0.75 0.5 0.5 1/2 3\n").unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    pipe.write_all(b"0.5 0.5 0.5 1/2 3\n").unwrap();
    drop(pipe);
    until("it is back", || (!server.samples("metrics/sys.load1").is_empty()).then_some(()));
    let cycles = server.cycles().len();
    server.wait_for_cycles(cycles);
    assert!(server.samples("metrics/sys.load1").iter().all(|(_, value)| *value == 0.75));
    assert!(server.samples("metrics/drip.rejected").iter().all(|(_, value)| *value == 0.0), "{}", drip.log());
    assert!(drip.stop().success());
}

#[test]
fn once_and_the_end_do_not_wait_for_a_collector_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    tree_that_hangs(dir.path());
    std::fs::write(dir.path().join("drip.toml"), "root = \"root\"\n[collectors.loadavg]\ntimeout_ms = 300\n").unwrap();
    let (code, out, err) = run(dir.path(), &["--once", "--config", "drip.toml"]);
    assert_eq!(code, 1);
    assert!(err.contains("drip: loadavg: no answer within 300ms"), "{err}");
    assert!(out.contains("metrics/mem.total ") && !out.contains("sys.load1"), "{out}");
    let (code, out, _) = run(dir.path(), &["--check", "--config", "drip.toml"]);
    assert_eq!(code, 1);
    assert!(out.contains("  loadavg        FAILS: no answer within its timeout"), "{out}");
    // And a service with it ends when it is told to.
    let drip = Drip::start_again(dir.path());
    drip.wait_for_log("does not answer");
    assert!(drip.stop().success());
}

#[test]
fn two_drips_with_one_spool_are_told_apart() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(1);
    let (code, _, err) = run(dir.path(), &["--config", "drip.toml"]);
    assert!(code == 1 && err.contains("another drip uses this spool; give each its own spool.dir"), "{code} {err}");
    let (_, out, _) = run(dir.path(), &["--check", "--config", "drip.toml"]);
    assert!(out.contains("state: in use by a drip that runs"), "{out}");
    assert!(drip.stop().success());
}

#[test]
fn systemd_is_told_that_drip_is_ready_alive_and_stopping() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut child = Command::new(DRIP)
        .args(["--server-url", &format!("http://127.0.0.1:{}", server.port), "--interval", "500ms", "--root-fs"])
        .arg(tree("pi5", "a"))
        .env("STATE_DIRECTORY", dir.path().join("state"))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .env_remove("WATCHDOG_PID")
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut hear_until = |wanted: &str| {
        let mut buffer = [0; 512];
        while !said.iter().any(|line: &String| line == wanted) {
            let n = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("no {wanted} after {said:?}: {e}"));
            said.extend(String::from_utf8_lossy(&buffer[..n]).lines().map(str::to_owned));
        }
    };
    hear_until("READY=1");
    hear_until("WATCHDOG=1");
    server.wait_for_cycles(1);
    common::signal(child.id(), "TERM");
    hear_until("STOPPING=1");
    assert!(child.wait().unwrap().success());
    assert_eq!(said.iter().filter(|line| *line == "READY=1").count(), 1, "{said:?}");
}

#[test]
fn metrics_beyond_the_bound_are_left_out_counted_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let pi = tree("pi3", "a").display().to_string();
    let once = |toml: &str| {
        std::fs::write(dir.path().join("drip.toml"), toml).unwrap();
        let (_, out, err) =
            run(dir.path(), &["--config", "drip.toml", "--once", "--root-fs", &pi, "--interval", "100ms"]);
        let value = |name: &str| {
            let line = out.lines().find(|line| line.starts_with(&format!("metrics/{name} "))).unwrap();
            line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
        };
        let interfaces = out.lines().filter(|line| line.starts_with("metrics/net.")).count();
        (interfaces, value("drip.left_out"), value("drip.troubles"), err)
    };
    let (all, left_out, troubles, _) = once("");
    assert_eq!((all, left_out), (16, 0), "two interfaces");
    let (few, left_out, more_troubles, err) = once("[collectors.network]\nmax_series = 10\n");
    assert_eq!((few, more_troubles), (10, troubles + 1));
    // Six in each of the two readings.
    assert_eq!(left_out, 12);
    assert_eq!(err.matches("network: series: more metrics than its max_series").count(), 1, "{err}");
}
