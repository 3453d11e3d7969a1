use super::*;

fn errors(text: &str) -> Vec<String> {
    match Config::parse(text, "drip.toml", Overrides::default()) {
        Ok(_) => panic!("taken: {text}"),
        Err(errors) => errors,
    }
}

#[test]
fn the_file_that_init_writes_has_every_key_with_its_default() {
    let text = template(&Overrides::default()).unwrap();
    let config = Config::parse(&text, "drip.toml", Overrides::default()).unwrap_or_else(|e| panic!("{e:?}"));
    let defaults = Config::parse("", "drip.toml", Overrides::default()).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(config.server, defaults.server);
    assert_eq!((&config.database, config.interval), (&defaults.database, defaults.interval));
    assert_eq!((config.timeout, &config.root), (defaults.timeout, &defaults.root));
    assert_eq!(format!("{:?}", config.spool), format!("{:?}", defaults.spool));
    let list = |c: &Config| c.collectors.iter().map(|c| (c.name, c.timeout, c.enabled)).collect::<Vec<_>>();
    assert_eq!(list(&config), list(&defaults));
    // A key that the template lacks would be named here as one that is accepted.
    let table: Table = text.parse().unwrap();
    for (name, section) in table["collectors"].as_table().unwrap() {
        let told = errors(&format!("[collectors.{name}]\nno_such_key = 1"));
        let accepted = told[0].split("accepted: ").nth(1).unwrap();
        let written: Vec<&str> = section.as_table().unwrap().keys().map(String::as_str).collect();
        for key in accepted.split(", ") {
            let commented = text.contains(&format!("#{key} = "));
            assert!(written.contains(&key) || commented, "{name}.{key} is not in the template");
        }
    }
}

#[test]
fn every_collector_of_the_brief_is_there() {
    let names: Vec<_> = plugins().unwrap().iter().map(|p| p.name).collect();
    let expected = [
        "cpu",
        "disk",
        "diskfs",
        "io",
        "loadavg",
        "memory",
        "network",
        "onewire",
        "pressure",
        "process",
        "sd_write_probe",
    ];
    assert_eq!(names, expected);
}

#[test]
fn mistakes_name_the_key_the_reason_and_what_is_accepted() {
    let cases = [
        ("server = \"x\"", "drip.toml: server: unknown key; accepted: server_url, database"),
        (
            "server_url = \"https://x\"",
            "server_url: \"https://x\" is not usable; accepted: http://host[:port][/prefix], or",
        ),
        ("server_url = 5", "server_url: 5 is not usable; accepted: text in quotes"),
        ("database = \"a b\"", "database: \"a b\" is not usable; accepted: 1 to 64 letters"),
        (
            "collection_interval_ms = 5",
            "collection_interval_ms: 5 is not usable; accepted: an integer, 100 to 86400000",
        ),
        ("collection_interval_ms = \"10s\"", "\"10s\" is not usable; accepted: an integer, 100 to"),
        ("timeout_ms = -1", "timeout_ms: -1 is not usable; accepted: an integer, 10 to 600000"),
        ("spool = 3", "spool: 3 is not usable; accepted: a table, [spool]"),
        ("[spool]\nmax_bytes = 1.5", "spool.max_bytes: 1.5 is not usable; accepted: an integer, 65536 to"),
        ("[collectors.cpuu]", "collectors.cpuu: there is no such collector; accepted: cpu, disk"),
        ("[collectors.cpu]\nenabled = 1", "collectors.cpu.enabled: 1 is not usable; accepted: true or false"),
        (
            "[collectors.network]\nskip = \"lo\"",
            "collectors.network.skip: \"lo\" is not usable; accepted: a list of texts",
        ),
        (
            "[collectors.network]\nskp = []",
            "collectors.network.skp: unknown key; accepted: enabled, timeout_ms, max_series, skip",
        ),
        ("[collectors.onewire]\nnames = 3", "collectors.onewire.names: 3 is not usable; accepted: a table of texts"),
        ("a = ", "drip.toml: line 1, column "),
    ];
    for (text, expected) in cases {
        let told = errors(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].contains(expected), "{text}: {}", told[0]);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_eq!(errors("a = 1\nb = 2\ntimeout_ms = 0\n[collectors.cpu]\nx = 1").len(), 4);
}

#[test]
fn the_command_line_goes_before_the_file() {
    let overrides = Overrides { database: Some("b".into()), root: Some("/host".into()), ..Overrides::default() };
    let text = "database = \"a\"\nroot = \"/x\"\ntimeout_ms = 50";
    let config = Config::parse(text, "drip.toml", overrides).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!((config.database.as_str(), config.root), ("b", PathBuf::from("/host")));
    assert_eq!(config.timeout, Duration::from_millis(50));
}

#[test]
fn without_a_name_the_database_is_the_hosts_where_the_server_is_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    std::fs::write(root.path().join("etc/hostname"), "Attic.lan\n").unwrap();
    let of = |text: &str| {
        let overrides = Overrides { root: Some(root.path().to_owned()), ..Overrides::default() };
        Config::parse(text, "drip.toml", overrides).unwrap_or_else(|e| panic!("{e:?}")).database
    };
    for here in [
        "",
        "server_url = \"http://localhost:1\"",
        "server_url = \"http://[::1]\"",
        "server_url = \"http://127.9.9.9\"",
    ] {
        assert_eq!(of(here), "metrics", "{here}");
    }
    assert_eq!(of("server_url = \"http://pi.lan\""), "attic_lan");
    assert_eq!(of("server_url = \"http://pi.lan\"\ndatabase = \"metrics\""), "metrics");
    let overrides = Overrides {
        server: Some("http://pi.lan".parse().unwrap()),
        root: Some(root.path().to_owned()),
        ..Overrides::default()
    };
    let text = template(&overrides).unwrap();
    assert!(
        text.contains("server_url = \"http://pi.lan:8428\"") && text.contains("database = \"attic_lan\""),
        "{text}"
    );
}

#[test]
fn database_names_are_those_the_server_takes() {
    assert!(database("pi-0.a_b").is_ok());
    for bad in ["", ".a", "-a", "a/b", "a b"] {
        assert!(database(bad).is_err(), "{bad}");
    }
}
