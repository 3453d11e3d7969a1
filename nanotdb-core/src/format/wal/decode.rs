//! Reading records back, whole batches only, past damage.

use super::{CRC_LEN, FIXED_LEN, FLAG_BASELINE, FLAG_NAME, MAX_PAYLOAD, MIN_PAYLOAD, TYPED_FLOAT32};
use crate::format::{get_i64, get_u16, get_u32, get_uvarint};
use crate::model::{MetricId, Timestamp, Value, ValueType, name};
use std::collections::HashMap;

/// Steps that the search for the next whole batch behind damage may take, so that hostile bytes cannot stall a start.
const SEARCH_BUDGET: u64 = 50_000_000;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalRecord<'a> {
    /// Offset in the file.
    pub offset: u64,
    /// Bytes, length prefix included.
    pub len: u32,
    /// Metric.
    pub id: MetricId,
    /// When.
    pub timestamp: Timestamp,
    /// Type of the value as written here.
    pub value_type: ValueType,
    /// Row bits of the value.
    pub bits: u64,
    /// The metric's name, when the record carries it.
    pub announces: Option<&'a str>,
    /// Whether it announces a metric whose float32 values are a program's, and no text.
    pub typed: bool,
    /// Whether it sets a new baseline.
    pub baseline: bool,
    /// Whether it ends a checksummed batch.
    pub checksummed: bool,
}

/// Bytes that are not whole batches, with whole batches behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    /// First byte.
    pub from: u64,
    /// First byte after it.
    pub to: u64,
    /// What is wrong.
    pub reason: String,
}

/// Bytes at the end that are no whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// First byte.
    pub from: u64,
    /// How many.
    pub len: u64,
    /// Why they are not a batch.
    pub reason: String,
    /// True when they look like a write that was cut short; false when something whole was changed.
    pub torn: bool,
}

/// What a WAL holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalSummary {
    /// Whether its batches carry checksums (ours) or not (the original's).
    pub checksummed: bool,
    /// Records handed out.
    pub records: u64,
    /// Whole batches (records, without checksums).
    pub batches: u64,
    /// End of the last whole batch.
    pub whole_len: u64,
    /// Damage in between.
    pub damaged: Vec<DamagedRange>,
    /// Damage or a torn write at the end.
    pub tail: Option<Tail>,
    /// A metric of which there are records, and whose name and type nothing says.
    pub unnamed: Option<MetricId>,
    /// Where whole batches are that lack nothing but a name.
    pub unnamed_at: Vec<u64>,
}

impl WalSummary {
    /// Damage without a torn last write, which a server that is writing now, or a kill, leaves: batches before it were never
    /// told to be stored.
    pub fn lost(&self) -> Vec<DamagedRange> {
        let tail = self.tail.iter().filter(|tail| !tail.torn).map(|tail| DamagedRange {
            from: tail.from,
            to: tail.from.saturating_add(tail.len),
            reason: tail.reason.clone(),
        });
        self.damaged.iter().cloned().chain(tail).collect()
    }
}

struct RawRecord<'a> {
    id: MetricId,
    delta: i64,
    baseline: Option<Timestamp>,
    name: Option<(&'a str, ValueType)>,
    typed: bool,
    /// Value, and maybe a checksum.
    rest: &'a [u8],
    end: usize,
}

enum Stop {
    /// The bytes end inside a record.
    CutShort,
    /// The bytes are no record or no batch.
    Wrong(usize, String),
    /// A whole batch with samples of a metric that has no name.
    Unnamed(usize, MetricId),
}

fn unnamed(id: MetricId) -> String {
    format!("metric id {id} has no name in WAL or catalog")
}

struct Decoder<'a, 'f> {
    bytes: &'a [u8],
    type_of: &'f dyn Fn(MetricId) -> Option<ValueType>,
    announced: HashMap<MetricId, ValueType>,
    batch: Vec<WalRecord<'a>>,
    budget: u64,
}

/// Decodes a WAL. `type_of` is what catalog.json says; `visit` gets the records of whole batches, in order.
pub fn decode<'a>(
    bytes: &'a [u8],
    type_of: &dyn Fn(MetricId) -> Option<ValueType>,
    visit: &mut dyn FnMut(&WalRecord<'a>),
) -> WalSummary {
    let mut decoder = Decoder { bytes, type_of, announced: HashMap::new(), batch: Vec::new(), budget: SEARCH_BUDGET };
    let mut summary = WalSummary::default();
    if bytes.is_empty() {
        return summary;
    }
    if decoder.starts_without_checksum() && decoder.is_the_originals() {
        let (end, stop) = decoder.plain_records(visit, &mut summary);
        summary.whole_len = end as u64;
        summary.tail = stop.map(|stop| decoder.tail(end, stop));
        return summary;
    }
    decoder.batches(visit, &mut summary);
    summary
}

impl<'a> Decoder<'a, '_> {
    /// Only the original's files do, and it has 4-byte values alone. (Four bytes more could be a checksum, or the rest
    /// of a 64-bit value: both are ours.)
    fn starts_without_checksum(&self) -> bool {
        self.raw_record(0).is_ok_and(|record| record.rest.len() == 4)
    }

    /// A damaged first record of ours may look like one of the original's. Tried without visiting anything: such a file does
    /// not decode to its end, and holds whole batches.
    fn is_the_originals(&mut self) -> bool {
        let (_, stop) = self.plain_records(&mut |_| {}, &mut WalSummary::default());
        self.announced.clear();
        let originals = stop.is_none() || self.next_batch(0).is_none();
        self.budget = SEARCH_BUDGET;
        originals
    }

    /// The original's files: record by record. Returns where it stopped, and why if not at the end.
    fn plain_records(
        &mut self,
        visit: &mut dyn FnMut(&WalRecord<'a>),
        summary: &mut WalSummary,
    ) -> (usize, Option<Stop>) {
        let mut baseline = None;
        let mut at = 0;
        while at < self.bytes.len() {
            let record = match self.raw_record(at) {
                Ok(record) => record,
                Err(stop) => return (at, Some(stop)),
            };
            let value_type = match self.known_type(&record) {
                // Written before its metric widened.
                Some(ValueType::Int64) => Some(ValueType::Int32),
                known => known,
            };
            // The original announces what its catalog lacks, so that a file begins with a name, or a catalog is lost.
            if value_type.is_none() && summary.records == 0 {
                summary.unnamed = Some(record.id);
            }
            let Some(value_type) = value_type.filter(|t| t.width() == record.rest.len()) else {
                let reason = format!("value of metric {} does not have the width of its type", record.id);
                return (at, Some(Stop::Wrong(at, reason)));
            };
            match self.resolve(at, &record, value_type, &mut baseline, false) {
                Ok(resolved) => {
                    if let Some((_, value_type)) = record.name {
                        self.announced.insert(record.id, value_type);
                    }
                    visit(&resolved);
                }
                Err(stop) => return (at, Some(stop)),
            }
            summary.records = summary.records.saturating_add(1);
            summary.batches = summary.batches.saturating_add(1);
            at = record.end;
        }
        (at, None)
    }

    fn batches(&mut self, visit: &mut dyn FnMut(&WalRecord<'a>), summary: &mut WalSummary) {
        let mut at = 0;
        while at < self.bytes.len() {
            match self.batch(at) {
                Ok(end) => {
                    self.accept(visit, summary);
                    at = end;
                    summary.whole_len = at as u64;
                }
                Err(stop) => {
                    if let Stop::Unnamed(_, id) = stop {
                        summary.unnamed.get_or_insert(id);
                        summary.unnamed_at.push(at as u64);
                    }
                    let Some(next) = self.next_batch(at) else {
                        summary.tail = Some(self.tail(at, stop));
                        return;
                    };
                    let reason = match stop {
                        Stop::CutShort => "not a whole batch".to_owned(),
                        Stop::Wrong(_, reason) => reason,
                        Stop::Unnamed(_, id) => unnamed(id),
                    };
                    summary.damaged.push(DamagedRange { from: at as u64, to: next as u64, reason });
                    at = next;
                }
            }
        }
    }

    fn accept(&mut self, visit: &mut dyn FnMut(&WalRecord<'a>), summary: &mut WalSummary) {
        summary.checksummed = true;
        summary.batches = summary.batches.saturating_add(1);
        for record in &self.batch {
            if record.announces.is_some() {
                self.announced.insert(record.id, record.value_type);
            }
            visit(record);
        }
        summary.records = summary.records.saturating_add(self.batch.len() as u64);
    }

    /// Decodes one checksummed batch into `self.batch`; returns its end.
    fn batch(&mut self, start: usize) -> Result<usize, Stop> {
        self.batch.clear();
        let mut baseline = None;
        let mut crc = RunningCrc { at: start, hasher: crc32fast::Hasher::new() };
        // Types announced within this batch, which is not accepted yet.
        let mut local: Vec<(MetricId, ValueType)> = Vec::new();
        let mut nameless = None;
        let mut at = start;
        loop {
            if at >= self.bytes.len() {
                return Err(Stop::CutShort);
            }
            let record = self.raw_record(at)?;
            if at == start && record.baseline.is_none() {
                return Err(Stop::Wrong(at, "batch does not start with a baseline".into()));
            }
            if let Some((_, value_type)) = record.name {
                local.push((record.id, value_type));
            }
            let in_batch = local.iter().rev().find(|(id, _)| *id == record.id).map(|(_, t)| *t);
            let known = in_batch.or_else(|| self.known_type(&record));
            let crc_at = record.end.saturating_sub(CRC_LEN);
            let value_type = match (known, record.rest.len()) {
                // Nobody can say what it is. Whether it is whole can be told all the same.
                (None, len) => {
                    nameless.get_or_insert(record.id);
                    match len {
                        8 if crc.upto(self.bytes, crc_at) == get_u32(self.bytes, crc_at) => ValueType::Int32,
                        8 | 12 => ValueType::Int64,
                        _ => ValueType::Int32,
                    }
                }
                // Written before its metric widened.
                (Some(ValueType::Int64), 4) => ValueType::Int32,
                (Some(ValueType::Int64), 8)
                    if in_batch.is_none() && crc.upto(self.bytes, crc_at) == get_u32(self.bytes, crc_at) =>
                {
                    ValueType::Int32
                }
                (Some(known), _) => known,
            };
            let extra = record.rest.len().checked_sub(value_type.width());
            let closes = match extra {
                Some(0) => false,
                Some(CRC_LEN) => true,
                _ => return Err(Stop::Wrong(at, "record length does not fit its value".into())),
            };
            let resolved = self.resolve(at, &record, value_type, &mut baseline, closes)?;
            self.batch.push(resolved);
            if closes {
                if crc.upto(self.bytes, crc_at) != get_u32(self.bytes, crc_at) {
                    return Err(Stop::Wrong(start, "checksum of the batch does not match".into()));
                }
                return match nameless {
                    Some(id) => Err(Stop::Unnamed(start, id)),
                    None => Ok(record.end),
                };
            }
            at = record.end;
        }
    }

    /// The next offset behind `from` at which a whole checksummed batch starts.
    fn next_batch(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at = at.checked_add(1).filter(|at| *at < self.bytes.len())?;
            self.budget = self.budget.checked_sub(1)?;
            let may_start = self.raw_record(at).is_ok_and(|r| r.baseline.is_some() && r.delta == 0);
            if !may_start {
                continue;
            }
            let whole = self.batch(at).is_ok();
            self.budget = self.budget.checked_sub(self.batch.len() as u64)?;
            if whole {
                return Some(at);
            }
        }
    }

    fn known_type(&self, record: &RawRecord<'_>) -> Option<ValueType> {
        match record.name {
            Some((_, value_type)) => Some(value_type),
            None => self.announced.get(&record.id).copied().or_else(|| (self.type_of)(record.id)),
        }
    }

    fn resolve(
        &self,
        at: usize,
        record: &RawRecord<'a>,
        value_type: ValueType,
        baseline: &mut Option<Timestamp>,
        checksummed: bool,
    ) -> Result<WalRecord<'a>, Stop> {
        if let Some(new) = record.baseline {
            *baseline = Some(new);
        }
        let Some(timestamp) = baseline.and_then(|b| b.checked_add(record.delta)) else {
            return Err(Stop::Wrong(at, "record has no baseline".into()));
        };
        let bits = if value_type.is_wide() {
            get_i64(record.rest, 0).map(|v| v as u64)
        } else {
            get_u32(record.rest, 0).map(|low| Value::widen_bits(value_type, low))
        };
        let Some(bits) = bits else { return Err(Stop::Wrong(at, "record has no value".into())) };
        Ok(WalRecord {
            offset: at as u64,
            len: u32::try_from(record.end.saturating_sub(at)).unwrap_or(u32::MAX),
            id: record.id,
            timestamp,
            value_type,
            bits,
            announces: record.name.map(|(name, _)| name),
            typed: record.typed,
            baseline: record.baseline.is_some(),
            checksummed,
        })
    }

    fn raw_record(&self, at: usize) -> Result<RawRecord<'a>, Stop> {
        let bytes = self.bytes.get(at..).unwrap_or_default();
        let Some((len, len_len)) = get_uvarint(bytes.get(..bytes.len().min(3)).unwrap_or_default()) else {
            return if bytes.len() < 3 { Err(Stop::CutShort) } else { Err(Stop::Wrong(at, "no record length".into())) };
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !(MIN_PAYLOAD..=MAX_PAYLOAD).contains(&len) {
            return Err(Stop::Wrong(at, format!("record length {len} is out of range")));
        }
        let Some(payload) = bytes.get(len_len..).and_then(|rest| rest.get(..len)) else { return Err(Stop::CutShort) };
        let wrong = |what: &str| Stop::Wrong(at, what.to_owned());
        let short = || wrong("record is shorter than its parts");
        let id = get_u16(payload, 0).ok_or_else(short)?;
        if id == 0 {
            return Err(wrong("metric id 0"));
        }
        let low = get_u16(payload, 2).ok_or_else(short)?;
        let high = *payload.get(4).ok_or_else(short)?;
        let flags = *payload.get(5).ok_or_else(short)?;
        if flags & !(FLAG_BASELINE | FLAG_NAME) != 0 {
            return Err(wrong("unknown flags"));
        }
        let mut next = FIXED_LEN;
        let mut baseline = None;
        if flags & FLAG_BASELINE != 0 {
            baseline = Some(get_i64(payload, next).ok_or_else(short)?);
            next = next.saturating_add(8);
        }
        let (mut name, mut typed) = (None, false);
        if flags & FLAG_NAME != 0 {
            let name_len = usize::from(*payload.get(next).ok_or_else(short)?);
            let from = next.saturating_add(1);
            let to = from.saturating_add(name_len);
            let text = name::check_metric_name(payload.get(from..to).ok_or_else(short)?).map_err(|e| wrong(&e))?;
            let code = *payload.get(to).ok_or_else(short)?;
            typed = code == TYPED_FLOAT32;
            let known = if typed { Some(ValueType::Float32) } else { ValueType::from_code(code) };
            name = Some((text, known.ok_or_else(|| wrong("unknown value type"))?));
            next = to.saturating_add(1);
        }
        Ok(RawRecord {
            id,
            delta: i64::from(low) | (i64::from(high) << 16),
            baseline,
            name,
            typed,
            rest: payload.get(next..).ok_or_else(short)?,
            end: at.saturating_add(len_len).saturating_add(len),
        })
    }

    fn tail(&self, from: usize, stop: Stop) -> Tail {
        let len = self.bytes.len().saturating_sub(from) as u64;
        match stop {
            Stop::CutShort => {
                Tail { from: from as u64, len, reason: "the last write was cut short".into(), torn: true }
            }
            Stop::Unnamed(at, id) => {
                Tail { from: from as u64, len, reason: format!("{} (at byte {at})", unnamed(id)), torn: false }
            }
            Stop::Wrong(at, reason) => {
                Tail { from: from as u64, len, reason: format!("{reason} (at byte {at})"), torn: false }
            }
        }
    }
}

/// CRC of a growing prefix, so that asking at every record costs one pass in all.
struct RunningCrc {
    at: usize,
    hasher: crc32fast::Hasher,
}

impl RunningCrc {
    fn upto(&mut self, bytes: &[u8], end: usize) -> Option<u32> {
        if end < self.at {
            return None;
        }
        self.hasher.update(bytes.get(self.at..end)?);
        self.at = end;
        Some(self.hasher.clone().finalize())
    }
}
