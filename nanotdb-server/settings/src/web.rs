//! `[web]`

use nanotdb_core::config::{ConfigSection, EngineConfig};
use nanotdb_core::model::name::check_database_name;
use nanotdb_core::plugin::inventory;
use nanotdb_core::settings::{Key, Kind, Section};
use std::path::PathBuf;

/// `[web]`: the web interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSection {
    /// Heading of the pages.
    pub title: String,
    /// Address of the dashboards; the editor and the groups are below it.
    pub base_path: String,
    /// Address of the page that charts any metric.
    pub explore_path: String,
    /// Address of the page about the engine.
    pub engine_path: String,
    /// How often pages ask for new values when they get no stream.
    pub refresh_seconds: u32,
    /// The dashboard document, relative to the data directory.
    pub dashboard_config: PathBuf,
    /// Prefix of the addresses that pages send requests to; empty is this server.
    pub api_base_url: String,
    /// Directory of edited pages, relative to the data directory; empty means the built-in ones.
    pub web_root: PathBuf,
    /// Database of series without one in dashboards without one.
    pub default_db: Option<String>,
    /// Whether dashboards and files can only be looked at.
    pub read_only: bool,
}

impl Default for WebSection {
    fn default() -> Self {
        Self {
            title: "NanoTDB".into(),
            base_path: "/dashboard".into(),
            explore_path: "/explore".into(),
            engine_path: "/engine".into(),
            refresh_seconds: 10,
            dashboard_config: "dashboard.json".into(),
            api_base_url: String::new(),
            web_root: PathBuf::new(),
            default_db: None,
            read_only: false,
        }
    }
}

const KEYS: [Key; 10] = [
    Key::new("title", Kind::Text, "\"NanoTDB\"", "Heading of the web pages."),
    Key::new(
        "base_path",
        Kind::Text,
        "\"/dashboard\"",
        "Addresses of the dashboards, of the page that charts any metric, and of the page about the engine.",
    ),
    Key::new("explore_path", Kind::Text, "\"/explore\"", ""),
    Key::new("engine_path", Kind::Text, "\"/engine\"", ""),
    Key::new(
        "refresh_seconds",
        Kind::Integer,
        "10",
        "How often pages ask for new values when they get no stream, 1 to 3600.",
    ),
    Key::new(
        "dashboard_config",
        Kind::Path,
        "\"dashboard.json\"",
        "The dashboard document; the path is relative to the data directory.",
    ),
    Key::new(
        "api_base_url",
        Kind::Text,
        "\"\"",
        "Server that the pages send their requests to, such as \"https://nanotdb.example.org\"; \"\" is this one.",
    ),
    Key::new(
        "web_root",
        Kind::Path,
        "\"\"",
        "Directory of edited pages (see nanotdb --export-web-assets); \"\" means the built-in ones.",
    ),
    Key::new(
        "default_db",
        Kind::Text,
        "\"\"",
        "Database of series that name none, in dashboards that name none; \"\" is none.",
    ),
    Key::new(
        "read_only",
        Kind::Bool,
        "false",
        "Whether dashboards cannot be saved and no action be started in the browser.",
    ),
];

inventory::submit! {
    ConfigSection::new("web", "", &KEYS, |section| drop(WebSection::read(section))).order(1200)
}

impl WebSection {
    /// As engine.toml has it.
    pub fn of(config: &EngineConfig) -> Self {
        config.section("web", Self::read)
    }

    fn read(section: &mut Section<'_>) -> Self {
        let mut web = Self::default();
        web.title = section.text("title", &web.title);
        let mut taken: Vec<String> = Vec::new();
        for (key, path) in [
            ("base_path", &mut web.base_path),
            ("explore_path", &mut web.explore_path),
            ("engine_path", &mut web.engine_path),
        ] {
            *path = section.checked(key, path, check_page);
            path.truncate(path.trim_end_matches('/').len());
            let collides = |other: &String| other == path || path.starts_with(&format!("{other}/"));
            if taken.iter().any(collides) {
                let accepted = "an address that is not that of another page, or below it";
                section.refuse_value(key, format!("{path:?}"), accepted);
            }
            taken.push(path.clone());
        }
        web.refresh_seconds = section.number("refresh_seconds", web.refresh_seconds, 1..=3_600);
        web.dashboard_config = section.path("dashboard_config", &web.dashboard_config, false);
        web.api_base_url = section.checked("api_base_url", &web.api_base_url, check_base_url);
        web.web_root = section.path("web_root", &web.web_root, true);
        web.default_db = section.optional_text("default_db", web.default_db.as_deref(), |name| {
            check_database_name(name.as_bytes()).map(drop)
        });
        web.read_only = section.bool("read_only", web.read_only);
        web
    }
}

/// Whether pages may be at this address.
fn check_page(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let first = text.split('/').nth(1).unwrap_or_default();
    let reserved = ["api", "assets", "metrics", "health", "api-tester", "index.html", ""].contains(&first);
    match text.starts_with('/') && !reserved && !text.contains("//") && text.chars().all(plain) {
        true => Ok(()),
        false => {
            Err("a path such as \"/dashboard\" that is not one of the API's (/api, /assets, /metrics, /health)".into())
        }
    }
}

fn check_base_url(text: &str) -> Result<(), String> {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    // It becomes part of a header.
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !";,'\"<>\\".contains(c));
    match text.is_empty() || is_url && is_plain {
        true => Ok(()),
        false => Err("\"\" (this server) or the address of another, such as \"https://nanotdb.example.org\"".into()),
    }
}
