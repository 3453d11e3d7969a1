use super::*;
use http_body_util::BodyExt;
use std::io::Read;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap().block_on(work)
}

async fn whole(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[test]
fn small_answers_have_a_length_and_large_ones_stream() {
    run(async {
        let small = respond(true, |mut w| {
            w.buffer().extend_from_slice(b"{}");
            w.finish();
        })
        .await;
        assert_eq!(http_body::Body::size_hint(small.body()).exact(), Some(2));
        assert!(small.headers().get("content-encoding").is_none());

        for gzip in [false, true] {
            let large = respond(gzip, |mut w| {
                for i in 0..400_000u32 {
                    w.buffer().extend_from_slice(format!("{},", i.wrapping_mul(2_654_435_761)).as_bytes());
                    if w.flush_if_full().is_err() {
                        return;
                    }
                }
                w.finish();
            })
            .await;
            assert_eq!(http_body::Body::size_hint(large.body()).exact(), None);
            let mut bytes = whole(large).await;
            if gzip {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
                bytes = plain;
            }
            assert_eq!(bytes.iter().filter(|b| **b == b',').count(), 400_000);
        }
    });
}

/// Bytes that hardly compress in one half and very well in the other, as answers do.
fn answer_of(length: usize, compressible: bool) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match compressible {
            true => bytes.extend_from_slice(b"17150000"),
            false => bytes.extend_from_slice(&state.to_le_bytes()),
        }
    }
    bytes.truncate(length);
    bytes
}

/// What is between two looks at the buffer decides how much a compressor has when the answer ends.
#[test]
fn an_answer_of_any_length_is_the_same_compressed() {
    run(async {
        for length in (0..=300 << 10).step_by(997) {
            for compressible in [false, true] {
                let expected = answer_of(length, compressible);
                for (gzip, piece) in [(false, 40), (true, 40), (true, 9_000), (true, 70_000)] {
                    let bytes = expected.clone();
                    let response = respond(gzip, move |mut w| {
                        for part in bytes.chunks(piece) {
                            w.buffer().extend_from_slice(part);
                            w.flush_if_full().unwrap();
                        }
                        w.finish();
                    })
                    .await;
                    let is_gzip = response.headers().get("content-encoding").is_some();
                    assert_eq!(is_gzip, gzip && length >= MIN_COMPRESSED, "{length} by {piece}");
                    let mut found = whole(response).await;
                    if is_gzip {
                        let mut plain = Vec::new();
                        flate2::read::GzDecoder::new(found.as_slice()).read_to_end(&mut plain).unwrap();
                        found = plain;
                    }
                    assert!(found == expected, "{length} bytes by {piece}, gzip {gzip}: {} came", found.len());
                }
            }
        }
    });
}

/// How long the writer says it waited, when the client lets a full queue be for `pause`.
async fn waited_for(pause: Duration) -> Duration {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let response = respond(false, move |mut w| {
        let mut send = |chunks| {
            for _ in 0..chunks {
                w.buffer().resize(CHUNK, b' ');
                w.flush_if_full().unwrap();
            }
            w.waited()
        };
        assert_eq!(send(QUEUE), Duration::ZERO, "there is a place for each");
        gone.recv().unwrap();
        tell.send(send(2)).unwrap();
        w.finish();
    })
    .await;
    go.send(()).unwrap();
    tokio::time::sleep(pause).await;
    assert_eq!(whole(response).await.len(), (QUEUE + 2) * CHUNK);
    told.recv().unwrap()
}

/// Who waits for the client has not worked meanwhile.
#[test]
fn time_that_the_client_takes_is_counted_as_waiting() {
    run(async {
        // A machine that is busy lets the writer come to it late; then there is nothing to wait for, and it is tried again.
        for millis in [5, 50, 200, 1_000, 5_000] {
            if waited_for(Duration::from_millis(millis)).await > Duration::ZERO {
                return;
            }
        }
        panic!("the writer never counts its waiting");
    });
}

#[test]
fn a_writer_that_dies_is_never_a_success() {
    run(async {
        let before = respond(false, |_| {}).await;
        assert_eq!(before.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let during = respond(false, |mut w| {
            w.buffer().resize(CHUNK, b' ');
            let _ = w.flush_if_full();
        })
        .await;
        assert_eq!(during.status(), StatusCode::OK);
        assert!(during.into_body().collect().await.is_err());
        for gzip in [false, true] {
            let failed = respond(gzip, |mut w| {
                w.buffer().extend_from_slice(&answer_of(8 * CHUNK, false));
                let _ = w.flush_if_full();
                w.fail(ApiError::bad("the disk fails"));
            })
            .await;
            assert_eq!(failed.status(), StatusCode::OK, "a part is on its way already");
            assert!(failed.into_body().collect().await.is_err(), "gzip {gzip}");
        }
        let at_once = respond(true, |w| w.fail(ApiError::bad("no"))).await;
        assert_eq!(at_once.status(), StatusCode::BAD_REQUEST);
    });
}

#[test]
fn the_writer_learns_that_the_client_left() {
    run(async {
        let (tell, told) = std::sync::mpsc::channel();
        let response = respond(false, move |mut w| {
            loop {
                w.buffer().resize(CHUNK, b' ');
                if w.flush_if_full().is_err() {
                    let _ = tell.send(());
                    return;
                }
            }
        })
        .await;
        drop(response);
        let told = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(5)));
        assert!(told.await.unwrap().is_ok());
    });
}
