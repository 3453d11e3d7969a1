//! Builds web/ with Node when `web/dist` is missing or was made from other sources, and lists its files for embedding.
//!
//! Without Node (or npm's registry) the crate still builds: with the dist that is there, or with a page that says how to get the UI.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

/// What the built files are made of, relative to web/.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the web interface could not be built: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?);
    let table = out.join("assets.rs");
    if env::var_os("CARGO_FEATURE_WEB").is_none() {
        return fs::write(table, "&[]");
    }
    let web = PathBuf::from(
        env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("CARGO_MANIFEST_DIR is not set"))?,
    )
    .join("web");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    println!("cargo::rerun-if-env-changed=NANOTDB_UI_NODE");

    let dist = web.join("dist");
    let stamp = dist.join(".sources");
    println!("cargo::rerun-if-changed={}", stamp.display());
    let wanted = fingerprint(&web)?;
    let have = fs::read_to_string(&stamp).ok();
    if have.as_deref() != Some(wanted.as_str()) {
        match build(&web) {
            Ok(()) => {
                fs::write(&stamp, &wanted)?;
                // As old as its sources: else cargo would run this once more.
                fs::File::options().write(true).open(&stamp)?.set_modified(std::time::SystemTime::UNIX_EPOCH)?;
            }
            Err(Failure::NoTools(reason)) if have.is_some() => {
                println!("cargo::warning=web/dist is older than its sources, and is embedded as it is: {reason}");
            }
            Err(Failure::NoTools(reason)) => {
                println!(
                    "cargo::warning=the web interface is left out: {reason}. Install Node 20 or newer with npm and build again"
                );
                fs::write(out.join("missing.html"), MISSING)?;
                return fs::write(
                    table,
                    "&[File { path: \"/index.html\", plain: Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/missing.html\"))), brotli: None, gzip: None, etags: [\"\\\"missing\\\"\"; 3] }]",
                );
            }
            Err(Failure::Broken(reason)) => return Err(io::Error::other(reason)),
        }
    }
    fs::write(table, list(&dist)?)
}

enum Failure {
    /// Node, npm or the registry are not there.
    NoTools(String),
    /// The sources do not build.
    Broken(String),
}

/// `npm ci`, unless node_modules is of this lock file already, then `vite build`.
fn build(web: &Path) -> Result<(), Failure> {
    let node = env::var("NANOTDB_UI_NODE").unwrap_or_else(|_| "node".to_owned());
    let version = command(Command::new(&node).arg("--version"))
        .map_err(|e| Failure::NoTools(format!("{node} --version: {e}")))?;
    let major: u32 = version.trim().trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    if major < 20 {
        return Err(Failure::NoTools(format!("Node 20 or newer is needed, this is {}", version.trim())));
    }
    let lock =
        fs::read(web.join("package-lock.json")).map_err(|e| Failure::Broken(format!("package-lock.json: {e}")))?;
    let marker = web.join("node_modules/.nanotdb-lock");
    if fs::read(&marker).ok().as_deref() != Some(lock.as_slice()) {
        command(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(web))
            .map_err(|e| Failure::NoTools(format!("npm ci: {e}")))?;
        fs::write(&marker, &lock).map_err(|e| Failure::Broken(format!("{}: {e}", marker.display())))?;
    }
    command(Command::new(&node).args(["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]).current_dir(web))
        .map(|_| ())
        .map_err(|e| Failure::Broken(format!("vite build: {e}")))
}

/// Standard output of a command that succeeded; what it said otherwise.
fn command(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).trim().replace('\n', " | ");
    Err(format!("{}: {said}", output.status))
}

/// A hash (FNV-1a) over names and contents of all sources. Contents and not times: a checkout changes the times of all.
fn fingerprint(web: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        walk(&web.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Fnv::new();
    for file in files {
        hash.add(file.strip_prefix(web).unwrap_or(&file).to_string_lossy().as_bytes());
        hash.add(&fs::read(&file)?);
    }
    Ok(hash.text())
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

/// A plain file up to this size is embedded beside its variants; a larger one is unpacked from its gzip variant by the few clients
/// that take neither.
const SMALL: u64 = 4 << 10;

/// The Rust source of the table of files, each with its ready-made variants.
fn list(dist: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    walk(dist, &mut files)?;
    files.sort();
    let mut text = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(dist).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        if name.starts_with('.') || name.ends_with(".br") || name.ends_with(".gz") {
            continue;
        }
        let variant = |extension: &str| {
            let path = PathBuf::from(format!("{}{extension}", file.display()));
            if path.exists() { format!("Some(include_bytes!({path:?}))") } else { "None".to_owned() }
        };
        let mut hash = Fnv::new();
        hash.add(&fs::read(&file)?);
        let gzip = variant(".gz");
        let is_packed = gzip != "None" && fs::metadata(&file)?.len() > SMALL;
        writeln!(
            text,
            "File {{ path: {:?}, plain: {}, brotli: {}, gzip: {gzip}, etags: {:?} }},",
            format!("/{name}"),
            if is_packed { "None".to_owned() } else { variant("") },
            variant(".br"),
            ["", "-br", "-gz"].map(|end| format!("\"{}{end}\"", hash.text())),
        )
        .map_err(io::Error::other)?;
    }
    text.push(']');
    Ok(text)
}

struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

const MISSING: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>NanoTDB</title></head>
<body>
<h1>NanoTDB is running</h1>
<p>This program was built without its web interface, because there was no Node (20 or newer, with npm) when it was built.</p>
<p>To get it: install Node, run <code>cargo build --release</code> again, and start the new program; or take a released program.
The data and the API do not need it: see docs/HTTP_API.md, for example <a href="/api/v1/databases">/api/v1/databases</a>.</p>
</body>
</html>
"#;
