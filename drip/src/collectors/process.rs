//! Processes of chosen programs: how many, their memory, their processor time.

use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Part, Samples, Section, async_trait, seconds_between,
};
use std::fmt::Write;
use std::time::Instant;

struct Process {
    programs: Vec<String>,
    /// Processes that were looked at, sorted by id.
    known: Vec<Known>,
    pids: Vec<u32>,
    totals: Vec<Totals>,
    before: Option<Instant>,
    until_rescan: u64,
    path: String,
}

#[derive(Clone, Copy)]
struct Known {
    pid: u32,
    /// Index of its program; `None` for a process that is not wanted.
    program: Option<usize>,
    /// Its start, by which a process that got the same id later is told.
    start: u64,
    ticks: u64,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    count: u64,
    rss_pages: u64,
    vsize: u64,
    /// Ticks that processes used which were there in the last cycle; `None` when there was none.
    ticks: Option<u64>,
}

/// What a stat file tells of a process.
struct Stat<'a> {
    name: &'a [u8],
    ticks: u64,
    start: u64,
    vsize: u64,
    rss_pages: u64,
}

/// The kernel keeps so many bytes of a program's name.
const NAME_BYTES: usize = 15;

/// Cycles after which processes that were not wanted are looked at again: one may have become another program.
const RESCAN_EVERY: u64 = 6;

#[async_trait]
impl Collector for Process {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        if self.programs.is_empty() {
            return Err(CollectError::NotHere("no programs are configured (collectors.process.programs)".into()));
        }
        // Everybody may read that of the first process, unless /proc hides what is not one's own: then nobody's count is true.
        if cycle.read_bytes("proc/1/stat").is_err() {
            return Err(CollectError::NotHere("/proc hides the processes of others (hidepid)".into()));
        }
        let now = cycle.now();
        let seconds = self.before.replace(now).and_then(|before| seconds_between(before, now));
        self.list(cycle)?;
        self.look(cycle);
        let (page, ticks_per_second) = cycle.units();
        for (name, totals) in self.programs.iter().zip(&self.totals) {
            let part = Part(name);
            out.integer(format_args!("proc.{part}.count"), totals.count);
            if totals.count > 0 {
                out.integer(format_args!("proc.{part}.rss_bytes"), totals.rss_pages.saturating_mul(page));
                out.integer(format_args!("proc.{part}.vsize_bytes"), totals.vsize);
            }
            if let (Some(ticks), Some(seconds)) = (totals.ticks, seconds) {
                let percent = 100.0 * ticks as f64 / ticks_per_second as f64 / seconds;
                out.float(format_args!("proc.{part}.cpu_pct"), percent, 2);
            }
        }
        Ok(())
    }
}

impl Process {
    /// Fills `pids`, sorted.
    fn list(&mut self, cycle: &mut Cycle) -> Result<(), CollectError> {
        let pids = &mut self.pids;
        pids.clear();
        cycle.names("proc", |name| pids.extend(name.parse::<u32>().ok()))?;
        if pids.is_empty() {
            return Err(CollectError::NotHere("there are no processes in /proc".into()));
        }
        pids.sort_unstable();
        Ok(())
    }

    /// Reads the stat files of wanted and of new processes, and now and then of all.
    fn look(&mut self, cycle: &mut Cycle) {
        let rescan = self.until_rescan == 0;
        self.until_rescan = if rescan { RESCAN_EVERY } else { self.until_rescan } - 1;
        self.totals.clear();
        self.totals.resize(self.programs.len(), Totals::default());
        let mut known = std::mem::take(&mut self.known);
        known.retain(|known| self.pids.binary_search(&known.pid).is_ok());
        let old = known.len();
        for at in 0..self.pids.len() {
            let Some(pid) = self.pids.get(at).copied() else { break };
            // Those that are new in this cycle stand behind `old`.
            let found = known.get(..old).and_then(|sorted| sorted.binary_search_by_key(&pid, |k| k.pid).ok());
            let before = found.and_then(|at| known.get(at).copied());
            if before.is_some_and(|before| before.program.is_none()) && !rescan {
                continue;
            }
            let now = self.read(pid, before, cycle);
            match found.and_then(|at| known.get_mut(at)) {
                Some(place) => *place = now,
                None => known.push(now),
            }
        }
        known.sort_unstable_by_key(|known| known.pid);
        self.known = known;
    }

    /// Reads one process and adds it to its program's totals.
    fn read(&mut self, pid: u32, before: Option<Known>, cycle: &mut Cycle) -> Known {
        let unwanted = Known { pid, program: None, start: 0, ticks: 0 };
        self.path.clear();
        let _ = write!(self.path, "proc/{pid}/stat");
        // Whatever cannot be read is over: processes end at any moment.
        let Ok(bytes) = cycle.read_bytes(&self.path) else { return unwanted };
        let Some(stat) = parse(bytes) else { return unwanted };
        let shortened = |name: &String| name.as_bytes().get(..NAME_BYTES).unwrap_or(name.as_bytes()) == stat.name;
        let Some(program) = self.programs.iter().position(shortened) else { return unwanted };
        if let Some(totals) = self.totals.get_mut(program) {
            totals.count += 1;
            totals.rss_pages += stat.rss_pages;
            totals.vsize = totals.vsize.saturating_add(stat.vsize);
            let same = before.filter(|before| before.program.is_some() && before.start == stat.start);
            if let Some(ticks) = same.and_then(|before| stat.ticks.checked_sub(before.ticks)) {
                totals.ticks = Some(totals.ticks.unwrap_or(0) + ticks);
            }
        }
        Known { pid, program: Some(program), start: stat.start, ticks: stat.ticks }
    }
}

/// `4242 (name) S ...`. A name can have spaces and parentheses in it; the last closing one ends it.
fn parse(stat: &[u8]) -> Option<Stat<'_>> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let name = stat.get(open + 1..close)?;
    // Fields are numbered from 1 in proc(5); the state behind the name is field 3.
    let mut fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let utime: u64 = fields.nth(14 - 3)?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    let start = fields.nth(22 - 16)?.parse().ok()?;
    let vsize = fields.next()?.parse().ok()?;
    let rss_pages = fields.next()?.parse().ok()?;
    Some(Stat { name, ticks: utime.checked_add(stime)?, start, vsize, rss_pages })
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let programs = section.texts("programs", &["nanotdb", "drip"]);
    let parts: Vec<String> = programs.iter().map(|name| Part(name).to_string()).collect();
    let twice = |(at, part): (usize, &String)| parts.get(..at).is_some_and(|before| before.contains(part));
    if parts.iter().any(String::is_empty) || parts.iter().enumerate().any(twice) {
        section.refuse("programs", "a name is empty, or the same as another", "names of programs, each once");
    }
    Box::new(Process {
        programs,
        known: Vec::new(),
        pids: Vec::new(),
        totals: Vec::new(),
        before: None,
        until_rescan: 0,
        path: String::new(),
    })
}

const KEYS: [Key; 1] = [Key::new(
    "programs",
    Kind::Texts,
    r#"["nanotdb", "drip"]"#,
    "Names as `ps -o comm` shows them. 100 % is one processor.",
)];

inventory::submit! {
    CollectorPlugin::new(
        "process",
        "number, memory and processor time of the processes of chosen programs",
        &KEYS,
        build,
    )
    .timeout_ms(5_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_parentheses_and_spaces() {
        let line =
            b"7 (a) b (c)) S 1 7 7 0 -1 4194304 1 2 3 4 50 60 0 0 20 0 1 0 999 4096000 300 18446744073709551615 1\n";
        let stat = parse(line).unwrap();
        assert_eq!(stat.name, b"a) b (c)");
        assert_eq!((stat.ticks, stat.start, stat.vsize, stat.rss_pages), (110, 999, 4_096_000, 300));
        assert!(parse(b"7 (a) S 1 7").is_none());
        assert!(parse(b"").is_none());
    }
}
