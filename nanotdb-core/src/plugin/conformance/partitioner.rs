//! Conformance kit for [`Partitioner`].

use super::random::{Random, check_name, no_panic};
use crate::model::Timestamp;
use crate::model::time::days_from_civil;
use crate::plugin::{FIRST_FREE_KIND, Partition, Partitioner};
use std::collections::HashMap;

/// The kinds that metric files of the original know.
const BUILT_IN: [(&str, u8); 4] = [("day", 1), ("month", 2), ("year", 3), ("forever", 4)];
const ROUNDS: usize = 2_000;
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
/// 2026-05-22T13:14:15Z, around which partitions are followed one by one.
const PRESENT: Timestamp = 1_779_455_655_000_000_000;

/// Checks the laws of [`Partitioner`]; the error says which one does not hold, and for what input.
pub fn partitioner(plugin: &dyn Partitioner) -> Result<(), String> {
    check_name(plugin.name(), plugin.about())?;
    let built_in = BUILT_IN.contains(&(plugin.name(), plugin.kind_id()));
    if !built_in && plugin.kind_id() < FIRST_FREE_KIND {
        return Err(format!("kind id {} is reserved; take one from {FIRST_FREE_KIND} on", plugin.kind_id()));
    }
    let mut seen = Seen::default();
    for ts in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
        check_moment(plugin, ts, &mut seen)?;
    }
    if plugin.partition_of(i64::MIN).start != i64::MIN {
        return Err(format!("the first partition starts at {}, not at i64::MIN", plugin.partition_of(i64::MIN).start));
    }
    if plugin.partition_of(i64::MAX).end != i64::MAX {
        return Err(format!("the last partition ends at {}, not at i64::MAX", plugin.partition_of(i64::MAX).end));
    }
    let mut random = Random::new(1);
    for _ in 0..ROUNDS {
        // Shifting spreads the moments over all magnitudes, around the epoch and around the present.
        let shift = random.below(63);
        let ts = (random.next() as i64) >> shift;
        check_moment(plugin, ts, &mut seen)?;
        check_moment(plugin, PRESENT.saturating_add(ts), &mut seen)?;
    }
    let mut ts = PRESENT;
    for _ in 0..ROUNDS {
        let partition = plugin.partition_of(ts);
        if partition.end == i64::MAX {
            break;
        }
        ts = partition.end;
        check_moment(plugin, ts, &mut seen)?;
    }
    check_foreign_parts(plugin, &seen, &mut random)?;
    check_names_of_ours(plugin)
}

/// A name that `day`, `month`, `year` or `forever` give is of the same range for everybody: files without a kind in their names
/// are theirs.
fn check_names_of_ours(plugin: &dyn Partitioner) -> Result<(), String> {
    let mut ours = vec![("forever".to_owned(), Partition { start: i64::MIN, end: i64::MAX })];
    let at = |year: i64, month: u32, day: u32| days_from_civil(year, month, day).saturating_mul(NANOS_PER_DAY);
    for year in [1970, 1999, 2000, 2026, 2027] {
        ours.push((format!("{year:04}"), Partition { start: at(year, 1, 1), end: at(year + 1, 1, 1) }));
        for month in 1..=12 {
            let next = if month == 12 { at(year + 1, 1, 1) } else { at(year, month + 1, 1) };
            ours.push((format!("{year:04}-{month:02}"), Partition { start: at(year, month, 1), end: next }));
            for day in [1, 22, 28] {
                let start = at(year, month, day);
                let name = format!("{year:04}-{month:02}-{day:02}");
                ours.push((name, Partition { start, end: start.saturating_add(NANOS_PER_DAY) }));
            }
        }
    }
    for (name, range) in ours {
        if let Some(partition) = no_panic(&format!("parse_part({name:?})"), || plugin.parse_part(&name))?
            && partition != range
        {
            return Err(format!(
                "parse_part({name:?}) is {partition:?}; the law: names of day, month, year and forever mean what they mean \
                 there, here {range:?}, or nothing; put something in front of yours, such as {}_{name}",
                plugin.name()
            ));
        }
    }
    Ok(())
}

/// Partitions by file part.
#[derive(Default)]
struct Seen(HashMap<String, Partition>);

fn check_moment(plugin: &dyn Partitioner, ts: Timestamp, seen: &mut Seen) -> Result<(), String> {
    let of = |ts| no_panic(&format!("partition_of({ts})"), || plugin.partition_of(ts));
    let partition = of(ts)?;
    let Partition { start, end } = partition;
    if start >= end || !partition.contains(ts) {
        return Err(format!("partition_of({ts}) is {partition:?}, which does not contain it"));
    }
    let last = if end == i64::MAX { end } else { end - 1 };
    let middle = start.midpoint(last);
    for inside in [start, middle, last] {
        let other = of(inside)?;
        if other != partition {
            return Err(format!("partition_of({inside}) is {other:?}, but {partition:?} (of {ts}) contains it"));
        }
    }
    if end != i64::MAX {
        let next = of(end)?;
        if next.start != end {
            return Err(format!("between {partition:?} and the next, {next:?}, is a gap or an overlap"));
        }
    }
    if start != i64::MIN {
        let previous = of(start - 1)?;
        if previous.end != start {
            return Err(format!("between {partition:?} and the one before, {previous:?}, is a gap or an overlap"));
        }
    }
    check_names(plugin, partition, seen)
}

fn check_names(plugin: &dyn Partitioner, partition: Partition, seen: &mut Seen) -> Result<(), String> {
    let is_name = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let part = no_panic(&format!("file_part({partition:?})"), || plugin.file_part(partition))?;
    if !is_name(&part) {
        return Err(format!("file_part({partition:?}) is {part:?}: not letters, digits, _ and -"));
    }
    let parsed = no_panic(&format!("parse_part({part:?})"), || plugin.parse_part(&part))?;
    if parsed != Some(partition) {
        return Err(format!("parse_part({part:?}) is {parsed:?} instead of {partition:?}"));
    }
    let bucket = no_panic(&format!("archive_bucket({partition:?})"), || plugin.archive_bucket(partition))?;
    if !is_name(&bucket) {
        return Err(format!("archive_bucket({partition:?}) is {bucket:?}: not letters, digits, _ and -"));
    }
    match seen.0.insert(part, partition) {
        Some(other) if other != partition => Err(format!("{other:?} and {partition:?} have the same file part")),
        _ => Ok(()),
    }
}

/// Names that may or may not be of this kind: they parse to nothing or to what has exactly that name.
fn check_foreign_parts(plugin: &dyn Partitioner, seen: &Seen, random: &mut Random) -> Result<(), String> {
    let mut parts: Vec<String> = seen.0.keys().take(ROUNDS).cloned().collect();
    parts.sort();
    let mut candidates: Vec<String> = ["", "-", "2026-02-30", "2026-5-1", "0000", "é-é", "99999999999999999999"]
        .into_iter()
        .chain(["2026-05-22", "2026-05", "2026", "forever", "\u{0}", "9999-12-31", "-001-01-01"])
        .map(str::to_owned)
        .collect();
    for part in parts {
        let mut bytes = part.clone().into_bytes();
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *b"0123456789-_aZ .".get(random.below(16)).unwrap_or(&b'x');
        }
        candidates.extend(String::from_utf8(bytes));
        candidates.extend([format!("{part} "), format!(" {part}"), format!("{part}-0"), format!("0{part}")]);
        candidates.push(part.chars().skip(1).collect());
        candidates.push(part.to_ascii_uppercase());
    }
    for candidate in candidates {
        let parsed = no_panic(&format!("parse_part({candidate:?})"), || plugin.parse_part(&candidate))?;
        if let Some(partition) = parsed {
            let part = plugin.file_part(partition);
            if part != candidate {
                return Err(format!("parse_part({candidate:?}) is {partition:?}, whose file part is {part:?}"));
            }
            if plugin.partition_of(partition.start) != partition {
                return Err(format!("parse_part({candidate:?}) is {partition:?}, which partition_of never gives"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: i64 = 604_800_000_000_000;

    /// Weeks counted from the epoch, with one law broken at a time.
    #[derive(Clone, Copy, PartialEq)]
    enum Week {
        Right,
        Gap,
        Shifted,
        SameName,
        LooseParse,
        NotClamped,
        LateStart,
        Panics,
        ReservedKind,
        NamesOfYears,
    }

    impl Week {
        fn prefix(self) -> &'static str {
            if self == Week::NamesOfYears { "" } else { "w" }
        }
    }

    impl Partitioner for Week {
        fn name(&self) -> &'static str {
            "week"
        }
        fn about(&self) -> &'static str {
            "for tests"
        }
        fn kind_id(&self) -> u8 {
            if *self == Week::ReservedKind { 1 } else { 130 }
        }
        fn partition_of(&self, ts: Timestamp) -> Partition {
            assert!(*self != Week::Panics || ts != i64::MAX, "too late");
            let week = ts.div_euclid(WEEK);
            let late = (*self == Week::Shifted && week == 3) || (*self == Week::LateStart && ts < i64::MIN + WEEK);
            let start = week.saturating_mul(WEEK) + i64::from(late);
            let end = (week + 1).saturating_mul(WEEK);
            Partition { start, end: if *self == Week::Gap { end - 1 } else { end } }
        }
        fn file_part(&self, partition: Partition) -> String {
            let week = partition.start.div_euclid(WEEK);
            format!("{}{}", self.prefix(), if *self == Week::SameName { week.max(0) } else { week })
        }
        fn parse_part(&self, part: &str) -> Option<Partition> {
            let number = if *self == Week::LooseParse { part.trim() } else { part }.strip_prefix(self.prefix())?;
            let week: i64 = number.parse().ok()?;
            let start = i128::from(week) * i128::from(WEEK);
            let clamped = if *self == Week::NotClamped { start } else { start.max(i128::from(i64::MIN)) };
            let partition = self.partition_of(i64::try_from(clamped).ok()?);
            (*self == Week::LooseParse || self.file_part(partition) == part).then_some(partition)
        }
        fn archive_bucket(&self, _: Partition) -> String {
            "all".to_owned()
        }
    }

    #[test]
    fn a_right_one_passes_and_each_broken_law_is_found() {
        partitioner(&Week::Right).unwrap();
        for (broken, law) in [
            (Week::Gap, "a gap or an overlap"),
            (Week::Shifted, "a gap or an overlap"),
            (Week::SameName, "parse_part"),
            (Week::LooseParse, "whose file part is"),
            (Week::NotClamped, "instead of"),
            (Week::LateStart, "does not contain it"),
            (Week::Panics, "panics: too late"),
            (Week::ReservedKind, "reserved"),
            (Week::NamesOfYears, "the law: names of day, month, year and forever mean what they mean there"),
        ] {
            let error = partitioner(&broken).unwrap_err();
            assert!(error.contains(law), "{error}");
        }
    }
}
