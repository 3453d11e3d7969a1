//! A small box, ten seconds at a time: random walks for what drifts, counters for what adds up, and bursts of work.
//!
//! The same seed and calendar give the same samples, so that a demo that is started again goes on where it was.

use super::days::{STEP, Weather};
use super::names::COUNT;
use fastrand::Rng;
use nanotdb_core::model::Number;
use nanotdb_core::model::time::SECOND;

/// The values of one tick, in the order of [`super::names::NAMES`].
pub(crate) type Values = [Number; COUNT];

const SECONDS: i64 = STEP / SECOND;
/// Jiffies of four processors in one tick.
const JIFFIES: i64 = 4 * 100 * SECONDS;
const MEMORY_TOTAL: i64 = 3_884_316;
const SWAP_TOTAL: i64 = 102_396;
const ROOT_TOTAL: i64 = 31_034_044_416;
const ROOT_RESERVED: i64 = 1_600_000_000;
const BOOT_TOTAL: i64 = 534_765_568;
const BOOT_USED: i64 = 68_083_712;
/// One step of the sensor in the processor, in thousandths of a degree.
const CPU_TEMPERATURE_STEP: i64 = 487;
/// One step of a thermometer on a wire, in sixteenths of a degree.
const THERMOMETER_STEP: f64 = 62.5;

/// The box as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    rng: Rng,
    ticks: u64,
    /// Ticks of hard work that are left.
    burst: u32,
    cpu: Cpu,
    memory: Memory,
    disk: Disk,
    ethernet: Interface,
    wireless: Interface,
    load: [f64; 3],
    processes: i64,
    thermometers: [f64; 5],
}

#[derive(Debug, Clone)]
struct Cpu {
    /// user, nice, system, idle, iowait, irq, softirq.
    jiffies: [i64; 7],
    up: i64,
    millidegrees: i64,
}

#[derive(Debug, Clone)]
struct Memory {
    free: i64,
    buffers: i64,
    cached: i64,
    swap_cached: i64,
    swap_free: i64,
    resident: [i64; 2],
}

#[derive(Debug, Clone)]
struct Disk {
    reads: [i64; 4],
    writes: [i64; 4],
    io_ms: i64,
    weighted_ms: i64,
    used: i64,
    paged: [i64; 2],
    probe_ms: f64,
}

/// Counters of a network.
#[derive(Debug, Clone, Default)]
struct Interface {
    received: i64,
    packets_received: i64,
    dropped: i64,
    sent: i64,
    packets_sent: i64,
}

/// What a tick's work comes to.
struct Work {
    busy: f64,
    hard: bool,
    frequency: i64,
}

/// What a tick's disk access comes to.
struct Access {
    reads: i64,
    writes: i64,
    sectors_written: i64,
    ms: i64,
}

impl Host {
    /// A box that has run for some days.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            ticks: 0,
            burst: 0,
            cpu: Cpu {
                jiffies: [1_843_021, 1_202, 613_442, 143_210_877, 40_211, 0, 22_017],
                up: 361_230,
                millidegrees: 48_686,
            },
            memory: Memory {
                free: 812_344,
                buffers: 110_232,
                cached: 1_602_112,
                swap_cached: 312,
                swap_free: 98_812,
                resident: [11_919_360, 22_319_104],
            },
            disk: Disk {
                reads: [31_022, 9_102, 2_210_312, 41_022],
                writes: [402_113, 391_002, 12_220_344, 3_310_221],
                io_ms: 1_102_331,
                weighted_ms: 3_351_243,
                used: 20_900_000_000,
                paged: [1_105_156, 6_110_172],
                probe_ms: 8.31,
            },
            ethernet: Interface {
                received: 902_112_345,
                packets_received: 2_201_144,
                dropped: 3,
                sent: 402_331_234,
                packets_sent: 1_220_331,
            },
            wireless: Interface {
                received: 10_223_411,
                packets_received: 60_221,
                dropped: 1_021,
                sent: 2_201_133,
                packets_sent: 20_113,
            },
            load: [0.12, 0.15, 0.11],
            processes: 182,
            thermometers: [21_562.5, 12_250.0, 21_750.0, 44_125.0, 5_312.5],
        }
    }

    /// The next ten seconds.
    pub(crate) fn tick(&mut self, weather: &Weather) -> Values {
        self.ticks += 1;
        if weather.boot {
            self.start_again();
        }
        let work = self.work(weather);
        let access = self.access(weather, work.hard);
        self.heat(weather, &work);
        self.remember(weather);
        self.talk(weather, work.hard);
        self.wait(weather, &work);
        self.values(weather, &work, &access)
    }

    /// `0..n`
    fn below(&mut self, n: i64) -> i64 {
        self.rng.i64(0..n.max(1))
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    /// Counters of the kernel begin at zero.
    fn start_again(&mut self) {
        self.cpu.jiffies = [0; 7];
        self.cpu.up = 0;
        self.disk.reads = [0; 4];
        self.disk.writes = [0; 4];
        (self.disk.io_ms, self.disk.weighted_ms, self.disk.paged) = (0, 0, [0; 2]);
        (self.ethernet, self.wireless) = (Interface::default(), Interface::default());
        self.memory.cached = 620_000;
        self.memory.free = 1_900_000;
        self.memory.swap_free = SWAP_TOTAL;
        self.memory.swap_cached = 0;
        self.burst = 12;
    }

    fn work(&mut self, weather: &Weather) -> Work {
        if self.burst > 0 {
            self.burst -= 1;
        } else if self.chance(0.001 + 0.003 * weather.people) {
            self.burst = self.rng.u32(2..30);
        }
        let hard = self.burst > 0 || weather.backup || weather.runaway;
        let people = (weather.people * 260.0) as i64;
        let mut user = 12 + self.below(22) + self.below(people + 1) + if hard { self.below(400) } else { 0 };
        let mut system = 8 + self.below(16) + if hard { self.below(90) } else { 0 };
        if weather.backup {
            user += 900 + self.below(900);
            system += 300 + self.below(300);
        }
        if weather.runaway {
            user = 3_560 + self.below(160);
        }
        let waiting = match (weather.backup, hard) {
            (true, _) => 120 + self.below(300),
            (_, true) => self.below(12),
            _ if self.chance(0.35) => self.below(9),
            _ => 0,
        };
        let soft = if self.chance(0.5) { self.below(2) } else { 0 };
        let idle = (JIFFIES - 4 + self.below(9) - user - system - waiting - soft).max(0);
        for (total, more) in self.cpu.jiffies.iter_mut().zip([user, 0, system, idle, waiting, 0, soft]) {
            *total += more;
        }
        self.cpu.up += SECONDS;
        let busy = (100.0 * (user + system + soft) as f64 / JIFFIES as f64).min(100.0);
        let frequency = match hard {
            true => 1_800_000,
            false if self.chance(0.93 - 0.5 * weather.people) => 600_000,
            false => 1_000_000,
        };
        Work { busy, hard, frequency }
    }

    fn access(&mut self, weather: &Weather, hard: bool) -> Access {
        let mut access = Access { reads: 0, writes: 0, sectors_written: 0, ms: 0 };
        if hard || self.chance(0.75) {
            access.writes = 1 + self.below(7) + if hard { self.below(60) } else { 0 };
            let merged = self.below(8);
            access.sectors_written = access.writes * 8 + self.below(20) * 8;
            access.ms = access.writes * (2 + self.below(9));
            for (total, more) in
                self.disk.writes.iter_mut().zip([access.writes, merged, access.sectors_written, access.ms])
            {
                *total += more;
            }
        }
        if weather.backup || self.chance(if hard { 0.5 } else { 0.01 }) {
            access.reads = 1 + self.below(6) + if weather.backup { 400 + self.below(500) } else { 0 };
            let spent = access.reads * 2;
            for (total, more) in self.disk.reads.iter_mut().zip([access.reads, 0, access.reads * 16, spent]) {
                *total += more;
            }
            access.ms += spent;
        }
        access.ms = access.ms.min(SECONDS * 1_000);
        let queued = self.below(3);
        let disk = &mut self.disk;
        disk.io_ms += access.ms;
        disk.weighted_ms += access.ms + if access.ms > 0 { queued } else { 0 };
        disk.paged[0] += access.reads * 8;
        disk.paged[1] += access.sectors_written / 2;
        self.fill_disk();
        if self.ticks % 6 == 1 {
            let slow = if hard { 40.0 * self.rng.f64() } else { 0.0 };
            self.disk.probe_ms = 6.0 - 2.5 * (1.0 - self.rng.f64()).ln() + slow;
        }
        access
    }

    /// Logs grow, and once in a while they are removed.
    fn fill_disk(&mut self) {
        if self.chance(0.75) {
            self.disk.used += self.below(18) * 4_096;
        }
        if self.disk.used > ROOT_TOTAL / 100 * 83 || self.chance(1.0 / 60_000.0) {
            self.disk.used -= 2_400_000_000 + self.below(50_000) * 4_096;
        }
    }

    fn heat(&mut self, weather: &Weather, work: &Work) {
        let target = 46_000 + (weather.heat * 1_500.0) as i64 + (work.busy * 210.0) as i64;
        let far = (target - self.cpu.millidegrees) / (3 * CPU_TEMPERATURE_STEP);
        let jitter = if self.chance(0.35) { self.rng.i64(-1..=1) } else { 0 };
        self.cpu.millidegrees += CPU_TEMPERATURE_STEP * (far.clamp(-4, 4) + jitter);
        let outside = 9_000.0 + 900.0 * (6.0 - (weather.hour - 14.0).abs()) + 700.0 * weather.heat;
        let usual = [21_500.0 + 200.0 * weather.heat, outside, 21_700.0 + 220.0 * weather.heat, 42_000.0, 5_000.0];
        let settle = self.ticks.is_multiple_of(40);
        for (at, (usual, probability)) in usual.into_iter().zip([0.12, 0.18, 0.12, 0.3, 0.2]).enumerate() {
            let moves = self.chance(probability);
            let step = if self.rng.bool() { THERMOMETER_STEP } else { -THERMOMETER_STEP };
            let value = &mut self.thermometers[at];
            *value += if moves { step } else { 0.0 };
            if settle {
                *value += ((usual - *value) / THERMOMETER_STEP * 0.1).trunc() * THERMOMETER_STEP;
            }
        }
    }

    fn remember(&mut self, weather: &Weather) {
        if self.chance(0.9) {
            self.memory.free += (self.below(513) - 256) * 4;
        }
        if self.chance(0.02) {
            self.memory.free += (812_344 - self.memory.free) / 32 * 4;
        }
        if self.chance(0.55) {
            self.memory.cached += self.below(25) * 4;
        }
        if self.chance(0.003) {
            self.memory.cached -= self.below(3_000) * 4;
        }
        if weather.backup {
            self.memory.cached += self.below(400) * 4;
        }
        let memory = &mut self.memory;
        if self.ticks.is_multiple_of(3) && self.rng.f64() < 0.8 {
            memory.buffers += 4;
        }
        if memory.buffers > 180_000 {
            memory.buffers -= 60_000;
        }
        if memory.cached > 2_200_000 {
            memory.cached -= 700_000;
        }
        memory.free = memory.free.clamp(90_000, 2_400_000);
        if self.rng.f64() < 0.0005 && memory.swap_free > 60_000 {
            memory.swap_free -= 4;
            memory.swap_cached += 4;
        }
        for resident in &mut memory.resident {
            if self.rng.f64() < 0.12 {
                *resident = (*resident + self.rng.i64(-16..=16) * 4_096).max(6 << 20);
            }
        }
    }

    fn talk(&mut self, weather: &Weather, hard: bool) {
        let people = (weather.people * 600.0) as i64;
        let received = 14 + self.below(12 + people) + if hard { self.below(2_000) } else { 0 };
        let sent = 10 + self.below(8 + people / 3) + if hard { self.below(900) } else { 0 };
        let sent = if weather.backup { sent + 4_000 + self.below(3_000) } else { sent };
        let (of_received, of_sent) = (70 + self.below(60), 90 + self.below(80));
        let ethernet = &mut self.ethernet;
        ethernet.received += received * of_received;
        ethernet.packets_received += received;
        ethernet.sent += sent * of_sent;
        ethernet.packets_sent += sent;
        if self.chance(0.6) {
            self.wireless.received += 60 + self.below(900);
            self.wireless.packets_received += 1 + self.below(4);
        }
        if self.chance(0.1) {
            self.wireless.dropped += 1;
        }
        if self.chance(0.5) {
            self.wireless.sent += 86 + self.below(700);
            self.wireless.packets_sent += 1 + self.below(3);
        }
    }

    /// Load averages follow the work, the slower the longer they are.
    fn wait(&mut self, weather: &Weather, work: &Work) {
        let noise = if self.chance(0.3) { 0.5 * self.rng.f64() } else { 0.0 };
        let target = 0.1 + noise + 0.035 * work.busy + if work.hard { 1.2 } else { 0.0 } + 0.4 * weather.people;
        for (load, share) in self.load.iter_mut().zip([0.15, 0.033, 0.011]) {
            *load += (target - *load) * share;
        }
        if self.chance(0.5) {
            self.processes += if self.rng.bool() { 1 } else { -1 };
        }
        self.processes = self.processes.clamp(176, 190 + (weather.people * 14.0) as i64);
    }

    fn values(&mut self, weather: &Weather, work: &Work, access: &Access) -> Values {
        let cpu_of = [if self.chance(0.3) { 0 } else { self.below(40) }, self.below(90)];
        let running = 1 + if self.chance(0.3) { self.below(3) } else { 0 } + 3 * i64::from(weather.runaway);
        let waiting = self.below(64) * 4;
        let (cpu, memory, disk) = (&self.cpu, &self.memory, &self.disk);
        let cached = (memory.cached - weather.leak).max(140_000);
        let free = (memory.free - (weather.leak - (memory.cached - cached)).max(0)).max(60_000);
        let available = (free + cached + memory.buffers - 120_000 + waiting).max(40_000);
        let root_free = ROOT_TOTAL - disk.used;
        let per_second = |n: i64| n as f64 / SECONDS as f64;
        let mut out = Row { values: [Number::integer(0); COUNT], at: 0 };
        out.integers(&cpu.jiffies);
        out.float(work.busy, 2);
        out.integers(&[cpu.up, cpu.millidegrees, work.frequency]);
        out.integers(&[
            MEMORY_TOTAL,
            free,
            available,
            memory.buffers,
            cached,
            memory.swap_cached,
            SWAP_TOTAL,
            memory.swap_free,
        ]);
        for (resident, (virtual_bytes, cpu_of)) in
            memory.resident.iter().zip([1_262_485_504, 1_298_223_104].into_iter().zip(cpu_of))
        {
            out.integers(&[1, *resident, virtual_bytes]);
            out.float(cpu_of as f64 / 100.0 + if work.hard { 1.5 } else { 0.0 }, 2);
        }
        out.integers(&disk.reads);
        out.integers(&disk.writes);
        out.integers(&[0, disk.io_ms, disk.weighted_ms]);
        out.float(access.ms as f64 / 10.0 / SECONDS as f64, 2);
        out.float(per_second(access.reads + access.writes), 1);
        out.float(per_second(access.reads * 8), 1);
        out.float(per_second(access.sectors_written) / 2.0, 1);
        out.integers(&[ROOT_TOTAL, disk.used, root_free, root_free - ROOT_RESERVED]);
        out.float(100.0 * disk.used as f64 / ROOT_TOTAL as f64, 2);
        out.integers(&[BOOT_TOTAL, BOOT_USED, BOOT_TOTAL - BOOT_USED, BOOT_TOTAL - BOOT_USED]);
        out.float(100.0 * BOOT_USED as f64 / BOOT_TOTAL as f64, 2);
        out.integers(&[disk.paged[0], disk.paged[1], 12, 904]);
        out.float(disk.probe_ms, 2);
        for network in [&self.ethernet, &self.wireless] {
            out.integers(&[network.received, network.packets_received, 0, network.dropped]);
            out.integers(&[network.sent, network.packets_sent, 0, 0]);
        }
        self.load.iter().for_each(|load| out.float(*load, 2));
        out.integers(&[running, self.processes]);
        self.thermometers.iter().for_each(|value| out.integers(&[*value as i64]));
        debug_assert_eq!(out.at, COUNT);
        out.values
    }
}

/// A tick's values on their way into the array.
struct Row {
    values: Values,
    at: usize,
}

impl Row {
    fn put(&mut self, number: Number) {
        if let Some(slot) = self.values.get_mut(self.at) {
            *slot = number;
        }
        self.at += 1;
    }

    fn integers(&mut self, values: &[i64]) {
        values.iter().for_each(|value| self.put(Number::integer(*value)));
    }

    /// A float with so many decimal places, as collectors print them.
    fn float(&mut self, value: f64, places: i32) {
        let scale = 10_f64.powi(places);
        let value = (value * scale).round() / scale;
        self.put(Number::decimal(value, value as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::super::days::Calendar;
    use super::super::names::NAMES;
    use super::*;
    use nanotdb_core::model::NumberKind;
    use nanotdb_core::model::time::DAY;

    fn as_text(values: &Values) -> Vec<String> {
        values.iter().map(|number| format!("{number:?}")).collect()
    }

    fn number_of(values: &Values, name: &str) -> f64 {
        let at = NAMES.iter().position(|known| known == name).unwrap();
        values[at].as_f64()
    }

    fn month(seed: u64) -> Vec<Values> {
        let first = 1_777_593_600 * SECOND;
        let calendar = Calendar::new(first, 30 * DAY);
        let mut host = Host::new(seed);
        (0..30 * DAY / STEP).map(|i| host.tick(&calendar.at(first + i * STEP))).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        let first = 1_777_593_600 * SECOND;
        let calendar = Calendar::new(first, DAY);
        let run = |seed| {
            let mut host = Host::new(seed);
            (0..500).map(|i| as_text(&host.tick(&calendar.at(first + i * STEP)))).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn a_month_stays_within_what_a_host_can_be() {
        let month = month(1);
        let range = |name: &str| {
            let all = month.iter().map(|values| number_of(values, name));
            all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        for name in ["cpu.busy_pct", "diskfs.root.used_pct", "disk.mmcblk0.busy_pct"] {
            let (low, high) = range(name);
            assert!(low >= 0.0 && high <= 100.0, "{name}: {low} to {high}");
        }
        // Thresholds of the default dashboard are crossed, and not all the time.
        let above = |name: &str, limit: f64| {
            month.iter().filter(|values| number_of(values, name) > limit).count() as f64 / month.len() as f64
        };
        for (name, warning) in [("cpu.busy_pct", 80.0), ("temp.cpu", 70_000.0), ("disk.sd_write_probe_ms", 25.0)] {
            let share = above(name, warning);
            assert!(share > 0.0 && share < 0.1, "{name} is above {warning} for {share}");
        }
        assert!(range("mem.available").0 < 900_000.0, "{:?}", range("mem.available"));
        let (low, high) = range("temp.out_dry.mdeg");
        assert!(low > -5_000.0 && high < 35_000.0, "{low} to {high}");
    }

    #[test]
    fn counters_only_rise_but_at_the_boot() {
        let month = month(3);
        for name in ["cpu.user", "cpu.idle", "net.eth0.rx_bytes", "disk.mmcblk0.writes", "sys.uptime_sec", "io.pgpgout"]
        {
            let falls = month.windows(2).filter(|pair| number_of(&pair[1], name) < number_of(&pair[0], name)).count();
            assert_eq!(falls, 1, "{name}");
        }
    }

    #[test]
    fn the_kind_of_a_value_never_changes() {
        let month = month(4);
        let kinds = |values: &Values| values.iter().map(|number| number.kind).collect::<Vec<NumberKind>>();
        assert!(month.iter().all(|values| kinds(values) == kinds(&month[0])));
    }
}
