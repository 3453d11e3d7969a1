use super::*;
use nanotdb_core::config::{EngineConfig, check_new_database_name};
use std::path::Path;

const FILE: &str = "engine.toml";

fn config(text: &str) -> Result<EngineConfig, String> {
    EngineConfig::parse(text, Path::new(FILE)).map(|loaded| loaded.value).map_err(|error| error.to_string())
}

#[test]
fn the_default_file_has_the_sections_with_the_defaults() {
    let text = EngineConfig::default_toml();
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
    let at = |head: &str| heads.iter().position(|found| *found == head).unwrap_or_else(|| panic!("{head}: {heads:?}"));
    assert_eq!((at("[access]"), at("[wal]")), (1, 2));
    assert_eq!((at("[web]") + 1, at("[maintenance]") + 1), (at("[defaults]"), at("[web]")));
    let loaded = EngineConfig::parse(&text, Path::new(FILE)).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(WebSection::of(&loaded.value), WebSection::default());
    assert_eq!(AccessSection::of(&loaded.value), AccessSection::default());
    // Without any file, too.
    assert_eq!(WebSection::of(&EngineConfig::default()), WebSection::default());
}

#[test]
fn what_is_set_is_read_and_written_again() {
    let text =
        "[web]\ntitle = \"Home\"\nbase_path = \"/panels/\"\nrefresh_seconds = 30\n[access]\nhosts = [\"*.lan\"]\n";
    let config = config(text).unwrap();
    let web = WebSection::of(&config);
    assert_eq!((web.title.as_str(), web.base_path.as_str(), web.refresh_seconds), ("Home", "/panels", 30));
    assert_eq!(AccessSection::of(&config).hosts, ["*.lan"]);
    let of = |key: &str| config.explained().into_iter().find(|setting| setting.key == key).unwrap();
    assert_eq!((of("web.title").value.as_str(), of("web.title").default.as_str()), ("Home", "NanoTDB"));
    // It shares its comment.
    assert_eq!(of("web.explore_path").explain, of("web.base_path").explain);
}

#[test]
fn bad_values_are_refused() {
    for (text, key, value, accepted) in [
        ("access.hosts = \"pi\"", "access.hosts", "\"pi\"", "a list of texts"),
        ("access.hosts = [\"http://pi\"]", "access.hosts", "\"http://pi\"", "without scheme and port"),
        ("access.hosts = [\"pi.example.org:80\"]", "access.hosts", "\"pi.example.org:80\"", "without scheme and port"),
        ("access.hosts = [\"*\"]", "access.hosts", "\"*\"", "without scheme and port"),
        ("web = 1", "web", "1", "[web]"),
        ("web.base_path = \"dash\"", "web.base_path", "\"dash\"", "/dashboard"),
        ("web.base_path = \"/\"", "web.base_path", "\"/\"", "/dashboard"),
        ("web.base_path = \"/api/x\"", "web.base_path", "\"/api/x\"", "/dashboard"),
        ("web.engine_path = \"/explore/\"", "web.engine_path", "\"/explore\"", "another page"),
        ("web.engine_path = \"/dashboard/engine\"", "web.engine_path", "\"/dashboard/engine\"", "another page"),
        ("web.refresh_seconds = 0", "web.refresh_seconds", "0", "1 to 3600"),
        ("web.dashboard_config = \"\"", "web.dashboard_config", "\"\"", "the path of a file"),
        ("web.api_base_url = \"pi:8428\"", "web.api_base_url", "\"pi:8428\"", "https://"),
        ("web.api_base_url = \"http://x; y\"", "web.api_base_url", "\"http://x; y\"", "https://"),
    ] {
        let message = config(text).unwrap_err();
        assert!(message.starts_with(&format!("{FILE}: {key} = {value}: ")), "{message}");
        assert!(message.contains(accepted), "{message}");
    }
    let warnings = EngineConfig::parse("web.titel = \"x\"", Path::new(FILE)).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].ends_with("did you mean web.title?"), "{warnings:?}");
}

#[test]
fn files_of_the_root_are_no_names_of_databases() {
    let config = config("web.dashboard_config = \"panels\"\nweb.web_root = \"pages/of/mine\"").unwrap();
    for (name, key) in [("panels", "web.dashboard_config"), ("Pages", "web.web_root")] {
        let reason = check_new_database_name(name, &config).unwrap_err();
        assert!(reason.contains(key), "{reason}");
    }
    assert_eq!(check_new_database_name("mine", &config), Ok(()));
}
