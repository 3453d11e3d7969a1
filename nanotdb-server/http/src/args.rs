//! The command line of `nanotdb`, and which root and engine.toml it means.

use crate::demo::DemoArgs;
use crate::location::{Location, address};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Root used when neither `--config` nor `--data` is given.
const DEFAULT_ROOT: &str = "nanotdb-data";

/// NanoTDB: a time-series database in one binary, over plain local files.
#[derive(Debug, Clone, Parser)]
#[command(name = "nanotdb", version, max_term_width = 100, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Use this engine.toml; the data lives in its directory
    #[arg(long, value_name = "PATH", conflicts_with = "data")]
    pub(crate) config: Option<PathBuf>,

    /// Keep the data in this directory; its engine.toml is used, or made with defaults [default: ./nanotdb-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Write a commented engine.toml (never over an existing one) and exit; with --config or --data
    #[arg(long)]
    pub(crate) init: bool,

    /// Address to serve on, for example 127.0.0.1:8428; `:8428` means every interface [default: engine.listen]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<String>,

    /// List the codecs, partitions, ingest formats and aggregates of this binary, and exit
    #[arg(long)]
    pub(crate) plugins: bool,

    /// Write the files of the web pages to this directory (never over existing ones) and exit; edit them and name it as
    /// web.web_root
    #[arg(long, value_name = "DIR")]
    pub(crate) export_web_assets: Option<PathBuf>,

    /// Write the port that is served on to this file (for scripts that pass port 0)
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) port_file: Option<PathBuf>,

    /// Something else than serving a directory.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What `nanotdb` does besides.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Serve a month of made-up samples and a live feed, to look at before anything is set up
    Demo(DemoArgs),
}

const AFTER_HELP: &str = "\
Examples:
  nanotdb
  nanotdb demo
  nanotdb --data /var/lib/nanotdb --listen :8428
  nanotdb --init --config ./sensors/engine.toml
  curl http://127.0.0.1:8428/api/v1/import -d 'demo/room.temp 21.5'

Exit codes:
  0  stopped by SIGTERM or Ctrl-C, or done
  1  failed
  2  wrong arguments or configuration
  3  no such configuration file
  4  the directory is in use by another process";

impl Args {
    /// The root and the configuration file that these arguments mean.
    pub(crate) fn location(&self) -> Location {
        match &self.config {
            Some(config) => {
                let parent = config.parent().filter(|p| !p.as_os_str().is_empty());
                let root = parent.unwrap_or(Path::new(".")).to_path_buf();
                Location { root, config: config.clone(), must_exist: true }
            }
            None => Location::of_root(self.data.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_ROOT))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("nanotdb").chain(args.iter().copied()))
    }

    #[test]
    fn the_root_of_a_config_is_its_directory() {
        let location = parse(&["--config", "/srv/pi/engine.toml"]).unwrap().location();
        assert_eq!(location.root, Path::new("/srv/pi"));
        assert_eq!(location.config, Path::new("/srv/pi/engine.toml"));
        assert!(location.must_exist);
    }

    #[test]
    fn a_bare_config_name_means_the_current_directory() {
        assert_eq!(parse(&["--config", "engine.toml"]).unwrap().location().root, Path::new("."));
    }

    #[test]
    fn data_needs_no_config_and_has_a_default() {
        let location = parse(&["--data", "/srv/x"]).unwrap().location();
        assert_eq!(location.config, Path::new("/srv/x/engine.toml"));
        assert!(!location.must_exist);
        assert_eq!(parse(&[]).unwrap().location().root, Path::new("nanotdb-data"));
    }

    /// Examples and paragraphs, as in `nanocli`.
    #[test]
    fn texts_below_the_options_are_wrapped_by_clap_alone_and_examples_never() {
        let mut command = <Args as clap::CommandFactory>::command();
        let mut all = vec![command.clone()];
        all.extend(command.get_subcommands_mut().map(|command| command.clone()));
        for text in all.iter().filter_map(|command| command.get_after_help()).map(ToString::to_string) {
            let lines: Vec<&str> = text.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                assert!(is_prose(line) || line.chars().count() <= 80, "{line}");
                assert!(!is_prose(line) || !is_prose(next), "{line}\n{next}");
            }
        }
    }

    #[test]
    fn config_and_data_exclude_each_other() {
        let error = parse(&["--config", "a/engine.toml", "--data", "b"]).unwrap_err().to_string();
        assert!(error.contains("--data"), "{error}");
    }
}
