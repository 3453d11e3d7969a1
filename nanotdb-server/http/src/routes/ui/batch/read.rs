//! Reads the series of a batch: those that are read alike in one pass over the files.

use super::columns::{Columns, Part};
use super::request::{Range, Reading, Wanted};
use crate::app::App;
use nanotdb_core::Error;
use nanotdb_core::engine::{AggregateSink, MetricFiles, ScanReport, ScanSink, ScanSlice, WindowRow, Windows};
use nanotdb_core::model::decimal::shortest;
use nanotdb_core::model::{Timestamp, Value, Values};
use nanotdb_core::plugin::{Aggregator, ValueMemory};
use nanotdb_core::query::aggregate::no_memory;
use nanotdb_core::query::aggregators::{Count, Max, Min, RoundedSum};
use nanotdb_core::query::{Operands, Windower, result_value};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// What was found of a series in its range.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Nothing was asked for.
    Last,
    /// Samples.
    Raw {
        /// When.
        times: Vec<Timestamp>,
        /// As many values.
        values: Vec<Value>,
    },
    /// Minimum, average and maximum per bucket.
    Buckets(Columns),
    /// One value per window; those without samples are `None`.
    Windows {
        /// Start of the first window.
        t0: Timestamp,
        /// Width.
        step: i64,
        /// Results.
        values: Vec<Option<Value>>,
    },
}

/// Why a series could not be read.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// Time or points ran out: the limit's key, and what to do.
    Limit(String),
    /// The data is damaged, or the disk fails.
    Failed(String),
}

/// What is known of a series before its range is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Type and meaning of its values.
    pub(super) operands: Operands,
    /// Usual distance of samples, nanoseconds.
    pub(super) interval: Option<i64>,
}

/// Outcome for one series: its content and what of it could not be read.
pub(super) type Outcome = Result<(Content, Vec<String>), Trouble>;

/// Reads series of one database that are to be read alike.
pub(super) fn read_group(
    app: &App,
    database: &str,
    reading: Reading,
    range: Option<Range>,
    metrics: &[(&Wanted, Known)],
    deadline: Instant,
) -> Vec<Outcome> {
    let Some(range) = range else {
        return metrics.iter().map(|_| Ok((Content::Last, Vec::new()))).collect();
    };
    let group = Group { app, database, range, metrics, deadline };
    let width = reading.window.unwrap_or(range.step);
    let read = match (reading.rate, reading.aggregate) {
        (true, aggregate) => group.rates(aggregate, width, reading.window.is_some()),
        (false, Some(aggregator)) => group.windows(aggregator, width),
        (false, None) if reading.window.is_some() => group.only_buckets(width),
        (false, None) => group.plain(),
    };
    match read {
        Ok(contents) => contents.into_iter().map(|(content, warnings)| Ok((content, warnings))).collect(),
        Err(Stop::Late) => {
            let limit = app.limits.max_query_time.as_secs();
            let text = format!("limit limits.max_query_time = {limit} reached: seconds; ask for a shorter range");
            metrics.iter().map(|_| Err(Trouble::Limit(text.clone()))).collect()
        }
        Err(Stop::Failed(error @ Error::Limit { .. })) => {
            metrics.iter().map(|_| Err(Trouble::Limit(error.to_string()))).collect()
        }
        Err(Stop::Failed(error)) => metrics.iter().map(|_| Err(Trouble::Failed(error.to_string()))).collect(),
    }
}

enum Stop {
    Late,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Group<'a> {
    app: &'a App,
    database: &'a str,
    range: Range,
    metrics: &'a [(&'a Wanted, Known)],
    deadline: Instant,
}

type Contents = Vec<(Content, Vec<String>)>;

impl Group<'_> {
    /// Most samples that are given as they are.
    fn most_raw(&self) -> usize {
        self.range.buckets.max(2)
    }

    fn in_time(&self) -> ControlFlow<()> {
        if Instant::now() > self.deadline { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn check_time(&self) -> Result<(), Stop> {
        if self.in_time().is_break() { Err(Stop::Late) } else { Ok(()) }
    }

    fn names(&self, which: &[usize]) -> Vec<&str> {
        which.iter().filter_map(|at| self.metrics.get(*at)).map(|(wanted, _)| wanted.metric.as_str()).collect()
    }

    /// Samples where there are few, buckets where there are many. What is likely is tried first; both are exact.
    fn plain(&self) -> Result<Contents, Stop> {
        let span = self.range.to.saturating_sub(self.range.from);
        let few =
            |known: &Known| known.interval.is_none_or(|interval| span / interval.max(1) <= self.most_raw() as i64);
        let all = || self.metrics.iter().enumerate();
        let likely_few: Vec<usize> = all().filter(|(_, (_, known))| few(known)).map(|(at, _)| at).collect();
        let mut many: Vec<usize> = all().filter(|(_, (_, known))| !few(known)).map(|(at, _)| at).collect();
        let mut found: Vec<Option<(Content, Vec<String>)>> = vec![None; self.metrics.len()];
        self.samples(&likely_few, self.most_raw(), &mut found, &mut many)?;
        let mut few = Vec::new();
        self.buckets(&many, &mut found, &mut few)?;
        // Samples that come meanwhile do not make them too many: nothing is left for buckets now.
        self.samples(&few, usize::MAX, &mut found, &mut Vec::new())?;
        Ok(found.into_iter().map(|one| one.unwrap_or((Content::Last, Vec::new()))).collect())
    }

    /// Samples as they are, of those that have at most so many; the others are added to `many`.
    fn samples(
        &self,
        which: &[usize],
        most: usize,
        found: &mut [Option<(Content, Vec<String>)>],
        many: &mut Vec<usize>,
    ) -> Result<(), Stop> {
        if which.is_empty() {
            return Ok(());
        }
        let mut sink = Samples { group: self, most, found: vec![Some((Vec::new(), Vec::new())); which.len()] };
        let report = self.scan(&self.names(which), &mut sink)?;
        let finished = sink.found;
        self.check_time()?;
        for (at, samples) in which.iter().zip(finished) {
            match samples {
                None => many.push(*at),
                Some((times, values)) => {
                    if let Some(slot) = found.get_mut(*at) {
                        *slot = Some((Content::Raw { times, values }, report.warnings.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Buckets, but those with so few samples that they are given as they are: these are added to `few`.
    fn buckets(
        &self,
        which: &[usize],
        found: &mut [Option<(Content, Vec<String>)>],
        few: &mut Vec<usize>,
    ) -> Result<(), Stop> {
        if which.is_empty() {
            return Ok(());
        }
        let (columns, warnings) = self.columns(which, self.range.step)?;
        for (at, columns) in which.iter().zip(columns) {
            if columns.samples() <= self.most_raw() as u64 {
                few.push(*at);
            } else if let Some(slot) = found.get_mut(*at) {
                *slot = Some((Content::Buckets(columns), warnings.clone()));
            }
        }
        Ok(())
    }

    /// Buckets of a given width, however few samples there are.
    fn only_buckets(&self, width: i64) -> Result<Contents, Stop> {
        let all: Vec<usize> = (0..self.metrics.len()).collect();
        let (columns, warnings) = self.columns(&all, width)?;
        Ok(columns.into_iter().map(|columns| (Content::Buckets(columns), warnings.clone())).collect())
    }

    fn columns(&self, which: &[usize], width: i64) -> Result<(Vec<Columns>, Vec<String>), Stop> {
        let aggregators: [&'static dyn Aggregator; 4] = [&Count, &Min, &RoundedSum, &Max];
        let most = self.range.buckets_of(width);
        let operands = which.iter().filter_map(|at| self.metrics.get(*at)).map(|(_, known)| known.operands);
        let columns = operands.map(|operands| Columns::new(self.range.from, width).of(operands)).collect();
        let mut sink = BucketSink { group: self, most, columns };
        let report = self.aggregate(&self.names(which), width, &aggregators, &mut sink)?;
        let columns = sink.columns;
        self.check_time()?;
        Ok((columns, report.warnings))
    }

    /// One aggregate per window.
    fn windows(&self, aggregator: &'static dyn Aggregator, width: i64) -> Result<Contents, Stop> {
        let all: Vec<usize> = (0..self.metrics.len()).collect();
        let place = Columns::new(self.range.from, width);
        let most = self.range.buckets_of(width);
        let values = vec![Vec::new(); self.metrics.len()];
        let mut sink = WindowSink { group: self, aggregator, place: &place, most, values };
        let report = self.aggregate(&self.names(&all), width, &[aggregator], &mut sink)?;
        let values = sink.values;
        self.check_time()?;
        let content = |values| (Content::Windows { t0: place.t0, step: width, values }, report.warnings.clone());
        Ok(values.into_iter().map(content).collect())
    }

    /// Increases a second: as samples where buckets need not be and there are few, as buckets or as aggregates.
    fn rates(
        &self,
        aggregate: Option<&'static dyn Aggregator>,
        width: i64,
        in_buckets: bool,
    ) -> Result<Contents, Stop> {
        let all: Vec<usize> = (0..self.metrics.len()).collect();
        let rates = all.iter().map(|_| Rate {
            before: None,
            samples: (!in_buckets).then(|| (Vec::new(), Vec::new())),
            columns: Columns::new(self.range.from, width),
            windower: aggregate
                .map(|aggregator| Windower::within(width, self.range.to, &[aggregator], Some(self.app.memory.clone()))),
            windows: Vec::new(),
        });
        let mut sink = RateSink { group: self, most: self.range.buckets_of(width), rates: rates.collect() };
        let report = self.scan(&self.names(&all), &mut sink)?;
        let RateSink { most, rates, .. } = sink;
        self.check_time()?;
        let content = |mut rate: Rate| {
            if let Some(mut windower) = rate.windower.take() {
                let Rate { columns, windows, .. } = &mut rate;
                let _ = windower.finish(&mut |end, row| put_rate(columns, most, windows, end, row));
                let values = rate.windows.into_iter().map(|value| value.map(Value::Float64)).collect();
                return Content::Windows { t0: rate.columns.t0, step: rate.columns.step, values };
            }
            match rate.samples {
                Some((times, values)) => {
                    Content::Raw { times, values: values.into_iter().map(Value::Float64).collect() }
                }
                None => Content::Buckets(rate.columns),
            }
        };
        Ok(rates.into_iter().map(|rate| (content(rate), report.warnings.clone())).collect())
    }

    fn scan(&self, metrics: &[&str], sink: &mut dyn ScanSink) -> Result<ScanReport, Error> {
        let Range { from, to, .. } = self.range;
        self.app.engine.scan_into(self.database, metrics, from, to, MetricFiles::Preferred, sink)
    }

    fn aggregate(
        &self,
        metrics: &[&str],
        width: i64,
        aggregators: &[&'static dyn Aggregator],
        sink: &mut dyn AggregateSink,
    ) -> Result<ScanReport, Error> {
        let Range { from, to, .. } = self.range;
        let windows = Windows { width, aggregators };
        self.app.engine.aggregate(self.database, metrics, from, to, windows, MetricFiles::Preferred, sink)
    }
}

/// Samples per metric; `None` once there were too many.
struct Samples<'g> {
    group: &'g Group<'g>,
    most: usize,
    found: Vec<Option<(Vec<Timestamp>, Vec<Value>)>>,
}

impl ScanSink for Samples<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(slot) = self.found.get_mut(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        if let Some((times, values)) = slot {
            if times.len().saturating_add(slice.len()) > self.most {
                *slot = None;
                let done = self.found.iter().all(Option::is_none);
                return Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
            }
            times.extend_from_slice(slice.timestamps);
            values.extend((0..slice.len()).filter_map(|at| slice.values.get(at)));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.group.in_time()
    }
}

struct BucketSink<'g> {
    group: &'g Group<'g>,
    most: usize,
    columns: Vec<Columns>,
}

impl AggregateSink for BucketSink<'_> {
    fn row(&mut self, metric: usize, end: Timestamp, values: &[Option<f64>]) -> ControlFlow<()> {
        self.window(metric, end, WindowRow { values, integers: &[] })
    }

    fn window(&mut self, metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        if let (Some(columns), [Some(count), min, sum, max]) = (self.columns.get_mut(metric), row.values) {
            // Windows are stamped with their end, the last one with the end of the range.
            let at = columns.at(end.saturating_sub(1));
            let (min, sum, max) = (min.unwrap_or(f64::NAN), sum.unwrap_or(f64::NAN), max.unwrap_or(f64::NAN));
            let integers = row.integer(1).zip(row.integer(3));
            columns.add(at, self.most, Part { count: *count as u64, min, sum, max, integers });
        }
        ControlFlow::Continue(())
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.group.in_time()
    }
}

struct WindowSink<'g> {
    group: &'g Group<'g>,
    aggregator: &'static dyn Aggregator,
    place: &'g Columns,
    most: usize,
    values: Vec<Vec<Option<Value>>>,
}

impl AggregateSink for WindowSink<'_> {
    fn row(&mut self, metric: usize, end: Timestamp, values: &[Option<f64>]) -> ControlFlow<()> {
        self.window(metric, end, WindowRow { values, integers: &[] })
    }

    fn window(&mut self, metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        if let (Some(values), Some((_, known))) = (self.values.get_mut(metric), self.group.metrics.get(metric)) {
            let value = row.values.first().copied().flatten();
            let shown = value.map(|value| result_value(self.aggregator, known.operands, value, row.integer(0)));
            put(self.place, self.most, values, end, shown);
        }
        ControlFlow::Continue(())
    }

    fn memory(&self) -> Option<Arc<dyn ValueMemory>> {
        Some(self.group.app.memory.clone())
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.group.in_time()
    }
}

/// Puts the result of a window where it belongs.
fn put<T: Copy>(place: &Columns, most: usize, values: &mut Vec<Option<T>>, end: Timestamp, result: Option<T>) {
    let at = place.at(end.saturating_sub(1));
    if at < most {
        values.resize(values.len().max(at + 1), None);
        if let Some(slot) = values.get_mut(at) {
            *slot = result;
        }
    }
}

/// [`put`] of a rate.
fn put_rate(
    place: &Columns,
    most: usize,
    values: &mut Vec<Option<f64>>,
    end: Timestamp,
    row: WindowRow<'_>,
) -> ControlFlow<()> {
    put(place, most, values, end, row.values.first().copied().flatten());
    ControlFlow::Continue(())
}

/// A counter's value: a float32 is the decimal that it is the text of.
fn counted(value: Value) -> f64 {
    match value {
        Value::Float32(v) => shortest(v),
        value => value.as_f64(),
    }
}

/// The increases of one metric.
struct Rate {
    before: Option<(Timestamp, f64)>,
    /// As they are, until there are too many.
    samples: Option<(Vec<Timestamp>, Vec<f64>)>,
    columns: Columns,
    windower: Option<Windower>,
    windows: Vec<Option<f64>>,
}

struct RateSink<'g> {
    group: &'g Group<'g>,
    most: usize,
    rates: Vec<Rate>,
}

impl ScanSink for RateSink<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(rate) = self.rates.get_mut(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for at in 0..slice.len() {
            let Some(sample) = slice.sample(at) else { continue };
            let (time, value) = (sample.timestamp, counted(sample.value));
            if let Some((earlier, before)) = rate.before
                && time > earlier
                && value >= before
            {
                times.push(time);
                values.push((value - before) / (time.saturating_sub(earlier) as f64 / 1e9));
            }
            // Of samples with the same time the first one counts, or a jump between them would be lost.
            if rate.before.is_none_or(|(earlier, _)| time > earlier) {
                rate.before = Some((time, value));
            }
        }
        if let Some(windower) = &mut rate.windower {
            let (columns, windows, most) = (&rate.columns, &mut rate.windows, self.most);
            let slice = ScanSlice { metric: 0, timestamps: &times, values: Values::Float64(&values) };
            let _ = windower.push(&slice, &mut |end, row| put_rate(columns, most, windows, end, row));
            if windower.is_refused() {
                return Err(no_memory(Some(&*self.group.app.memory)));
            }
            return Ok(ControlFlow::Continue(()));
        }
        for (time, value) in times.iter().zip(&values) {
            rate.columns.push(*time, *value, self.most);
        }
        if let Some((all_times, all_values)) = &mut rate.samples {
            all_times.extend_from_slice(&times);
            all_values.extend_from_slice(&values);
            if all_times.len() > self.group.most_raw() {
                rate.samples = None;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.group.in_time()
    }
}
