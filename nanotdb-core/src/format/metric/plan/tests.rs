use super::*;

/// What a writer does: the vector is found, or kept under the next id.
fn plan(planner: &mut Planner, next: &mut u16, timestamps: &[Timestamp]) -> Found {
    let fingerprint = fingerprint(timestamps);
    planner.find(timestamps, fingerprint).unwrap_or_else(|| {
        *next += 1;
        planner.keep(*next, timestamps, fingerprint);
        (*next, 0)
    })
}

fn ticks(range: std::ops::Range<i64>) -> Vec<Timestamp> {
    range.map(|n| 1_779_577_200_000_000_000 + n * 10_000_000_000 + (n * 7_919) % 1_000_003).collect()
}

/// A vector with gaps of its own.
fn gaps(seed: u64, len: i64) -> Vec<Timestamp> {
    let kept = |n: &i64| (*n as u64 + 1).wrapping_mul(seed * 2 + 0x9e37_79b9_7f4a_7c15) >> 60 != 0;
    ticks(0..len).into_iter().zip(0..).filter(|(_, n)| kept(n)).map(|(t, _)| t).collect()
}

#[test]
fn parts_of_a_vector_are_found_wherever_they_are() {
    let (mut planner, mut next) = (Planner::default(), 0);
    let all = ticks(0..10_000);
    assert_eq!(plan(&mut planner, &mut next, &all), (1, 0));
    assert_eq!(plan(&mut planner, &mut next, &all), (1, 0));
    assert_eq!(plan(&mut planner, &mut next, &all[9_999..]), (1, 9_999), "the last one alone");
    assert_eq!(plan(&mut planner, &mut next, &all[..1]), (1, 0));
    assert_eq!(plan(&mut planner, &mut next, &all[4_321..]), (1, 4_321), "a late starter");
    assert_eq!(plan(&mut planner, &mut next, &all[..77]), (1, 0), "an early ender");
    assert_eq!(plan(&mut planner, &mut next, &all[1_234..5_678]), (1, 1_234));
    let mut other = all[1_234..5_678].to_vec();
    other[17] += 1;
    assert_eq!(plan(&mut planner, &mut next, &other), (2, 0), "one nanosecond is another vector");
    assert_eq!(plan(&mut planner, &mut next, &other[3_000..]), (2, 3_000), "both have it, the second as its end");
    other.remove(1_000);
    assert_eq!(plan(&mut planner, &mut next, &other), (3, 0), "a gap");
}

#[test]
fn equal_timestamps_are_found_by_their_run() {
    let (mut planner, mut next) = (Planner::default(), 0);
    let mut all: Vec<_> = (0..20_000).map(|n| n / 5).collect();
    assert_eq!(plan(&mut planner, &mut next, &all), (1, 0));
    assert_eq!(plan(&mut planner, &mut next, &all[5_000..15_003]), (1, 5_000));
    let constant = vec![7; 50_000];
    assert_eq!(plan(&mut planner, &mut next, &constant), (2, 0));
    assert_eq!(plan(&mut planner, &mut next, &constant[..30_000]), (2, 0));
    assert!(planner.points.len() < 2_000, "an index that stays small: {}", planner.points.len());
    all.clear();
    assert_eq!(planner.find(&all, fingerprint(&all)), None, "nothing is a part of nothing");
}

#[test]
fn equal_fingerprints_are_not_equal_vectors() {
    let mut planner = Planner::default();
    planner.keep(1, &[1, 2, 3], 99);
    assert_eq!(planner.find(&[1, 5, 3], 99), None);
    planner.keep(2, &[1, 5, 3], 99);
    assert_eq!(planner.find(&[1, 5, 3], 99), Some((2, 0)));
    assert_eq!(planner.find(&[1, 2, 3], 99), Some((1, 0)));
}

#[test]
fn what_was_never_shared_is_forgotten_first() {
    let mut planner = Planner::new(300);
    let vectors: Vec<_> = (1..=4).map(|n| (0..100).map(|t| t * 10 + n).collect::<Vec<_>>()).collect();
    for (id, vector) in (1..).zip(&vectors[..3]) {
        planner.keep(id, vector, fingerprint(vector));
    }
    assert_eq!(planner.find(&vectors[0], fingerprint(&vectors[0])), Some((1, 0)));
    planner.keep(4, &vectors[3], fingerprint(&vectors[3]));
    let found: Vec<_> = vectors.iter().map(|v| planner.find(v, fingerprint(v)).is_some()).collect();
    assert_eq!(found, [true, false, true, true], "the second was the oldest that none shared");
    assert_eq!(planner.held, 300);
}

#[test]
fn one_vector_above_the_limit_is_kept_besides() {
    let mut planner = Planner::new(300);
    let large = [ticks(0..1_000), ticks(5_000..6_000)];
    planner.keep(1, &large[0], fingerprint(&large[0]));
    for id in 2..50 {
        let vector: Vec<_> = (0..100).map(|t| t * 100 + i64::from(id)).collect();
        planner.keep(id, &vector, fingerprint(&vector));
    }
    assert_eq!(planner.find(&large[0][500..], 0), Some((1, 500)));
    planner.keep(50, &large[1], fingerprint(&large[1]));
    assert_eq!(planner.find(&large[0][500..], 0), None);
    assert_eq!(planner.find(&large[1][500..], 0), Some((50, 500)));
    assert_eq!((planner.held, planner.kept.len()), (300, 4));
}

#[test]
fn nothing_of_a_forgotten_vector_stays() {
    let mut planner = Planner::new(1_000);
    for id in 1..200 {
        let vector = gaps(u64::from(id), 900);
        planner.keep(id, &vector, fingerprint(&vector));
    }
    let (rows, points): (Vec<_>, Vec<_>) =
        planner.kept.iter().map(|(id, kept)| (kept.timestamps.len(), points(*id, &kept.timestamps).count())).unzip();
    assert_eq!(planner.held, rows.iter().sum::<usize>());
    assert!(planner.held <= 1_000);
    assert!(planner.points.len() <= points.iter().sum());
    assert_eq!((planner.whole.len(), planner.order.len()), (rows.len(), rows.len()));
}

/// Timestamps compared while so many vectors of `len` rows are planned, and the rows of all.
fn work(vectors: impl Iterator<Item = Vec<Timestamp>>) -> (u64, u64) {
    let (mut planner, mut next, mut rows) = (Planner::default(), 0, 0);
    for vector in vectors {
        rows += vector.len() as u64;
        plan(&mut planner, &mut next, &vector);
    }
    (planner.work, rows)
}

#[test]
fn planning_takes_time_in_proportion_to_the_rows() {
    let all = ticks(0..500);
    let (done, rows) = work((0..2_000).map(|_| all.clone()));
    assert!(done <= rows, "the same ticks: {done} comparisons for {rows} rows");
    let (done, rows) = work((0..2_000).map(|seed| gaps(seed, 500)));
    assert!(done <= rows, "gaps of their own: {done} comparisons for {rows} rows");
    // All start and end together and differ in the middle: the worst that the bound is for.
    let (done, rows) = work((0..2_000).map(|n| {
        let mut vector = all.clone();
        vector[250] += n;
        vector
    }));
    assert!(done <= rows * COMPARISONS as u64, "one timestamp differs: {done} comparisons for {rows} rows");
}
