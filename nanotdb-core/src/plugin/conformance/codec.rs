//! Conformance kit for [`Codec`].
//!
//! Each law is one function here. Inputs are fixed (a seeded generator makes the random ones), so a
//! failure repeats. A panic of the codec is caught and reported as the breach it is.

use crate::plugin::codec::S2_CODEC_ID;
use crate::plugin::registry::registry;
use crate::plugin::{Codec, CodecError, Values, ValuesMut};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is in the output before every call: methods append.
const PREFIX: &[u8] = b"was here before";
/// Bytes that `out` of a decoder may have room for beyond the announced length.
const ALLOWANCE: usize = 64 << 10;
const LENGTH_LAW: &str = "the law: the announced length comes from a file that may be damaged, so it is compared with what the \
    block itself says before anything of that size is allocated (zstd: the frame's content size; a format without one: \
    grow with what was decoded, and stop beyond the announced length)";

/// Checks the laws of [`Codec`]; the error says which one does not hold, and for what input.
pub fn codec(plugin: &dyn Codec) -> Result<(), String> {
    let inputs = inputs();
    identity(plugin)?;
    for (what, input) in &inputs {
        block(plugin, what, input)?;
    }
    unannounced_lengths(plugin)?;
    for (what, input) in &inputs {
        damaged(plugin, what, input)?;
    }
    for rows in [1, 2, 83, 1_000] {
        page(plugin, rows, 14)?;
        page(plugin, rows, 18)?;
    }
    columns(plugin)
}

fn identity(plugin: &dyn Codec) -> Result<(), String> {
    let name = plugin.name();
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!("name {name:?}: must be lower-case letters, digits and `_`"));
    }
    if plugin.id() == 0 {
        return Err("id 0: must be 1 or more; third parties take one from 32768 on".to_owned());
    }
    let about = plugin.about();
    if about.trim().is_empty() || about.contains('\n') {
        return Err(format!("about {about:?}: must be one line that says something"));
    }
    Ok(())
}

/// compress: appends, the same every time, an S2 block where claimed; decompress: the inverse, for the right length
/// alone.
fn block(plugin: &dyn Codec, what: &str, input: &[u8]) -> Result<(), String> {
    let block = appended(what, "compress", |out| plugin.compress(input, out))?;
    let again = appended(what, "compress", |out| plugin.compress(input, out))?;
    if block != again {
        return Err(format!("compress of {what} gives other bytes the second time"));
    }
    if plugin.is_s2_block() {
        s2_block(what, input, &block)?;
    }
    let decoded = appended(what, "decompress", |out| plugin.decompress(&block, input.len(), out))?;
    if decoded != input {
        return Err(format!("decompress(compress({what})) differs {}", first_difference(&decoded, input)));
    }
    for wrong in [input.len().wrapping_sub(1), input.len() + 1, input.len() + 4_096] {
        if wrong != usize::MAX && decompress(plugin, what, &block, wrong)?.is_some() {
            return Err(format!("decompress of {what} ({} bytes) succeeds when {wrong} are expected", input.len()));
        }
    }
    Ok(())
}

/// What says that it is an S2 block is one for whatever reads S2: codec 1 does, if it is linked.
fn s2_block(what: &str, input: &[u8], block: &[u8]) -> Result<(), String> {
    if uvarint(block) != Some(input.len() as u64) {
        return Err(format!("is_s2_block, but compress of {what} does not start with uvarint({})", input.len()));
    }
    let Some(s2) = registry().codec_by_id(S2_CODEC_ID) else {
        return Err(
            "is_s2_block, and codec 1 is not there to try it: put `use nanotdb_codecs as _;` into the test".to_owned()
        );
    };
    let mut decoded = Vec::new();
    match s2.decompress(block, input.len(), &mut decoded) {
        Ok(()) if decoded == input => Ok(()),
        Ok(()) => Err(format!("is_s2_block, but of compress of {what}, codec {} makes something else", s2.name())),
        Err(e) => Err(format!("is_s2_block, but codec {} cannot read compress of {what}: {e}", s2.name())),
    }
}

/// A length that the block cannot have is refused before anything of that size is allocated.
fn unannounced_lengths(plugin: &dyn Codec) -> Result<(), String> {
    let input = b"a block of a few bytes";
    let block = appended("a few bytes", "compress", |out| plugin.compress(input, out))?;
    // To allocate the first is a panic, which is caught; of what might be had or not, the process would die.
    for len in [usize::MAX, (usize::MAX >> 1) + 1, 1 << 30] {
        for block in [&block[..], &[], &[0], &[0xff; 5], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff; 32]] {
            let mut out = PREFIX.to_vec();
            let what = format!("a few bytes where {len} are expected");
            let made = caught(&what, "decompress", || plugin.decompress(block, len, &mut out));
            if made.map_err(|e| format!("{e}; {LENGTH_LAW}"))?.is_ok() {
                return Err(format!("decompress of {block:02x?} makes {len} bytes"));
            }
            if out.capacity() > 2 * ALLOWANCE {
                return Err(format!("decompress of {what} allocates {} bytes; {LENGTH_LAW}", out.capacity()));
            }
        }
    }
    Ok(())
}

/// Arbitrary and damaged blocks give an error or the announced length; no panic.
fn damaged(plugin: &dyn Codec, what: &str, input: &[u8]) -> Result<(), String> {
    let block = appended(what, "compress", |out| plugin.compress(input, out))?;
    let len = input.len();
    // The input itself, taken for a block, is an arbitrary one.
    decompress(plugin, what, input, len)?;
    let mut random = Random::new(len as u64 + 1);
    for _ in 0..40 {
        let mut mutated = block.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(mutated.len().max(1));
            match (random.below(4), mutated.get_mut(at)) {
                (0, _) => mutated.truncate(at),
                (1, _) => mutated.extend_from_slice(&random.bytes(3)),
                (2, Some(byte)) => *byte = random.next() as u8,
                (_, Some(byte)) => *byte ^= 1 << random.below(8),
                (_, None) => {}
            }
        }
        decompress(plugin, &format!("a damaged block of {what}"), &mutated, len)?;
        decompress(plugin, &format!("a damaged block of {what}"), &mutated, random.below(2 * len + 1))?;
    }
    for size in [0, 1, 2, 5, 16, 64, 300] {
        let arbitrary = random.bytes(size);
        decompress(plugin, "arbitrary bytes", &arbitrary, random.below(1_000))?;
    }
    Ok(())
}

/// decode_page(encode_page(x)) == x, for pages of 14 and 18 bytes per row; damaged ones as in `damaged`.
fn page(plugin: &dyn Codec, rows: usize, width: usize) -> Result<(), String> {
    let what = format!("a page of {rows} rows of {width} bytes");
    let payload = page_like(rows, width);
    let body = appended(&what, "encode_page", |out| plugin.encode_page(rows, &payload, out))?;
    let decoded = appended(&what, "decode_page", |out| plugin.decode_page(rows, &body, payload.len(), out))?;
    if decoded != payload {
        return Err(format!("decode_page(encode_page({what})) differs {}", first_difference(&decoded, &payload)));
    }
    let mut random = Random::new(rows as u64);
    for _ in 0..20 {
        let mut mutated = body.clone();
        let at = random.below(mutated.len().max(1));
        if let Some(byte) = mutated.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
        guarded(&format!("a damaged block of {what}"), "decode_page", payload.len(), |out| {
            plugin.decode_page(rows, &mutated, payload.len(), out)
        })?;
    }
    Ok(())
}

/// The typed hooks: ids, timestamps, and values of all four types, bit for bit.
fn columns(plugin: &dyn Codec) -> Result<(), String> {
    let mut random = Random::new(7);
    let mut lengths = vec![0, 1, 2, 3, 1_000];
    lengths.push(4_097);
    for n in lengths {
        let ids: Vec<u16> = (0..n).map(|i| (i % 83) as u16).collect();
        let random_ids: Vec<u16> = (0..n).map(|_| random.next() as u16).collect();
        for ids in [ids, random_ids] {
            column("ids", &ids, |v| *v, |out| plugin.encode_ids(&ids, out), |b, n, out| plugin.decode_ids(b, n, out))?;
        }
        let steady = (0..n).map(|i| 1_777_593_603_532_182_665 + i as i64 * 10_000_000_000);
        let jittery = steady.clone().map(|t| t + random.below(3_000_000) as i64).collect::<Vec<_>>();
        let unsorted = (0..n).map(|i| if i % 2 == 0 { i64::MIN + i as i64 } else { i64::MAX - i as i64 }).collect();
        for ts in [steady.collect(), jittery, unsorted, vec![0; n]] {
            let decode = |b: &[u8], n: usize, out: &mut Vec<i64>| plugin.decode_timestamps(b, n, out);
            column("timestamps", &ts, |v| *v, |out| plugin.encode_timestamps(&ts, out), decode)?;
        }
        for kind in 0..4 {
            values(plugin, n, kind, &mut random)?;
        }
    }
    Ok(())
}

fn values(plugin: &dyn Codec, n: usize, kind: usize, random: &mut Random) -> Result<(), String> {
    // Constant, stepping, decimal, and any bits at all.
    let mut draw = |i: usize| match kind {
        0 => 42,
        1 => i as u64 * 3,
        2 => random.below(10_000) as u64,
        _ => random.next(),
    };
    let mut ints: Vec<i64> = (0..n).map(|i| draw(i) as i64).collect();
    let mut floats: Vec<f64> = match kind {
        3 => ints.iter().map(|v| f64::from_bits(*v as u64)).collect(),
        _ => ints.iter().map(|v| *v as f64 / 100.0).collect(),
    };
    let mut floats32: Vec<f32> = match kind {
        3 => ints.iter().map(|v| f32::from_bits(*v as u32)).collect(),
        _ => floats.iter().map(|v| *v as f32).collect(),
    };
    let mut ints32: Vec<i32> = ints.iter().map(|v| *v as i32).collect();
    // What is easily lost: NaN payloads and signs, signed zeros, subnormals, extremes.
    let odd = [1u64 << 63, 0x7ff8_dead_beef_0001, 0xfff0_0000_0000_0001, 0x7ff0_0000_0000_0000, 1, u64::MAX, 1 << 62];
    let odd32 = [1u32 << 31, 0x7fc0_dead, 0xff80_0001, 0x7f80_0000, 1, u32::MAX, 1 << 30];
    for (i, (bits, bits32)) in odd.into_iter().zip(odd32).enumerate().take(if kind == 0 { 0 } else { n }) {
        let at = (i * 131) % n;
        ints[at] = bits as i64;
        floats[at] = f64::from_bits(bits);
        ints32[at] = bits32 as i32;
        floats32[at] = f32::from_bits(bits32);
    }
    column(
        "int32 values",
        &ints32,
        |v| *v,
        |out| plugin.encode_values(Values::Int32(&ints32), out),
        |b, n, out| plugin.decode_values(b, n, ValuesMut::Int32(out)),
    )?;
    column(
        "float32 values",
        &floats32,
        |v| v.to_bits(),
        |out| plugin.encode_values(Values::Float32(&floats32), out),
        |b, n, out| plugin.decode_values(b, n, ValuesMut::Float32(out)),
    )?;
    column(
        "int64 values",
        &ints,
        |v| *v,
        |out| plugin.encode_values(Values::Int64(&ints), out),
        |b, n, out| plugin.decode_values(b, n, ValuesMut::Int64(out)),
    )?;
    column(
        "float64 values",
        &floats,
        |v| v.to_bits(),
        |out| plugin.encode_values(Values::Float64(&floats), out),
        |b, n, out| plugin.decode_values(b, n, ValuesMut::Float64(out)),
    )
}

/// decode(encode(column)) == column by `key`, appended to what is there, with the right count alone.
fn column<T: Copy + Debug, K: PartialEq>(
    kind: &str,
    column: &[T],
    key: impl Fn(&T) -> K,
    encode: impl Fn(&mut Vec<u8>) -> Result<(), CodecError>,
    decode: impl Fn(&[u8], usize, &mut Vec<T>) -> Result<(), CodecError>,
) -> Result<(), String> {
    let n = column.len();
    let what = format!("{n} {kind}, the first {:?}", column.get(..n.min(4)).unwrap_or_default());
    let bytes = appended(&what, "encode", &encode)?;
    if bytes != appended(&what, "encode", &encode)? {
        return Err(format!("encode of {what} gives other bytes the second time"));
    }
    let before: Vec<T> = column.iter().take(2).copied().collect();
    let mut out = before.clone();
    caught(&what, "decode", || decode(&bytes, n, &mut out))?.map_err(|e| format!("decode of {what} fails: {e}"))?;
    let wanted = before.iter().chain(column).map(&key);
    if out.len() != before.len() + n || !out.iter().map(&key).eq(wanted) {
        return Err(format!("decode(encode({what})) differs, or what was in the output was touched"));
    }
    for wrong in [n + 1, n.wrapping_sub(1), usize::MAX] {
        let mut out = Vec::new();
        if (wrong != usize::MAX || n > 0) && caught(&what, "decode", || decode(&bytes, wrong, &mut out))?.is_ok() {
            return Err(format!("decode of {what} succeeds when {wrong} are expected"));
        }
    }
    Ok(())
}

/// Calls an encoder or decoder that must succeed, and returns what it appended.
fn appended(
    what: &str,
    method: &str,
    call: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<Vec<u8>, String> {
    let mut out = PREFIX.to_vec();
    caught(what, method, || call(&mut out))?.map_err(|e| format!("{method} of {what} fails: {e}"))?;
    match out.strip_prefix(PREFIX) {
        Some(appended) => Ok(appended.to_vec()),
        None => Err(format!("{method} of {what} does not leave alone what was in the output before")),
    }
}

/// Calls decompress on a block that may be damaged: see `guarded`.
fn decompress(plugin: &dyn Codec, what: &str, block: &[u8], len: usize) -> Result<Option<Vec<u8>>, String> {
    guarded(what, "decompress", len, |out| plugin.decompress(block, len, out))
}

/// Calls a decoder that may fail, but only in the ways a decoder may; `None` if it did.
fn guarded(
    what: &str,
    method: &str,
    len: usize,
    call: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<Option<Vec<u8>>, String> {
    let mut out = PREFIX.to_vec();
    let result = caught(what, method, || call(&mut out))?;
    let Some(appended) = out.strip_prefix(PREFIX) else {
        return Err(format!("{method} of {what} does not leave alone what was in the output before"));
    };
    if result.is_ok() && appended.len() != len {
        return Err(format!("{method} of {what} appends {} bytes where {len} are expected", appended.len()));
    }
    let bound = len.saturating_add(ALLOWANCE).saturating_add(2 * PREFIX.len());
    if out.capacity() > bound {
        return Err(format!(
            "{method} of {what} allocates {} bytes where {len} are expected; the law: `out` has room for at most the \
             announced length and {ALLOWANCE} bytes more (reserve_exact once, or grow in steps of at most {ALLOWANCE})",
            out.capacity()
        ));
    }
    Ok(result.ok().map(|()| appended.to_vec()))
}

fn caught<R>(what: &str, method: &str, call: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| format!("{method} of {what} panics"))
}

fn first_difference(a: &[u8], b: &[u8]) -> String {
    match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(at) => format!("at byte {at}"),
        None => format!("in length: {} where {} are right", a.len(), b.len()),
    }
}

fn uvarint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Inputs of every character a block compressor may meet, by name.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut random = Random::new(1);
    let mut inputs = vec![("nothing".to_owned(), Vec::new()), ("a run of 1 MiB".to_owned(), vec![7; 1 << 20])];
    for n in [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 59, 60, 61, 64, 65, 255, 256, 257, 4_095, 65_535, 65_537] {
        inputs.push((format!("{n} zeros"), vec![0; n]));
        inputs.push((format!("{n} random bytes"), random.bytes(n)));
    }
    for period in [2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 64, 166, 1_500, 70_000] {
        let pattern = random.bytes(period);
        let cycle = pattern.iter().cycle().take(2 * period + 3_000).copied().collect();
        inputs.push((format!("a pattern of {period} bytes repeated"), cycle));
    }
    // Short matches among short literals, far matches, and a page.
    let few = (0..20_000).map(|_| b"abc"[random.below(3)]).collect();
    inputs.push(("20000 of three letters".to_owned(), few));
    let mut far = random.bytes(100_000);
    far.extend_from_within(..40_000);
    inputs.push(("a match 100000 bytes back".to_owned(), far));
    inputs.push(("a page of 3000 rows".to_owned(), page_like(3_000, 14)));
    inputs
}

/// The columns of `rows` rows: ids in turn, a timestamp per tick, values that step at some ticks.
fn page_like(rows: usize, width: usize) -> Vec<u8> {
    let mut random = Random::new(rows as u64);
    let metrics = 29;
    let mut values: Vec<u32> = (0..metrics).map(|_| random.next() as u32).collect();
    let mut page = Vec::with_capacity(rows * width);
    page.extend((0..rows).flat_map(|row| ((row % metrics) as u16).to_le_bytes()));
    page.extend((0..rows).flat_map(|row| (1_777_593_603_532_182_665 + (row / metrics) as i64).to_le_bytes()));
    for row in 0..rows {
        let value = &mut values[row % metrics];
        *value = value.wrapping_add((random.below(3) * random.below(500)) as u32);
        page.extend(value.to_le_bytes());
    }
    page.resize(rows * width, 0);
    page
}

/// splitmix64: the kit needs bytes without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`, which must not be 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}
