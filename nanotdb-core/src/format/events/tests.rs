use super::*;
use crate::plugin::CodecError;

/// The one literal that the block of the example is.
struct Literal;

impl crate::plugin::Codec for Literal {
    fn id(&self) -> u16 {
        1
    }
    fn name(&self) -> &'static str {
        "s2"
    }
    fn about(&self) -> &'static str {
        "blocks of one literal"
    }
    fn is_s2_block(&self) -> bool {
        true
    }
    fn compress(&self, _: &[u8], _: &mut Vec<u8>) -> Result<(), CodecError> {
        Err(CodecError::new("only decodes"))
    }
    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // 48: the length; f0 47: a literal of 72 bytes.
        let literal = input.get(3..).filter(|literal| literal.len() == decoded_len && input[..3] == [0x48, 0xf0, 0x47]);
        out.extend_from_slice(literal.ok_or_else(|| CodecError::new("another block"))?);
        Ok(())
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn names() -> EventNames {
    let name = |name: &str, value_type| EventName { name: name.to_owned(), value_type };
    [
        (1, name("disc.write.slow", EventType::Int32)),
        (2, name("temp.over", EventType::Float32)),
        (3, name("heartbeat", EventType::None)),
    ]
    .into_iter()
    .collect()
}

/// The frame that the description of the original's files gives byte by byte.
fn example() -> Vec<u8> {
    let mut bytes = hex("0000a9fa39dbd417 0700a9fa39dbd417 04000000 0e");
    bytes.extend([0; 127]);
    bytes.extend(hex("4b000000 48f047"));
    bytes.extend(hex("0100 0000a9fa39dbd417 1e020000 0f"));
    bytes.extend(br#"{"path":"/tmp"}"#);
    bytes.extend(hex("0200 0500a9fa39dbd417 9a99f941 00 0300 0600a9fa39dbd417 00 0300 0700a9fa39dbd417 05"));
    bytes.extend(br#""txt""#);
    bytes.extend(hex("10a8f8db"));
    bytes
}

const START: i64 = 1_717_238_400_000_000_000;

#[test]
fn the_frame_of_the_description_reads_as_it_says() {
    let bytes = example();
    assert_eq!(bytes.len(), 231);
    let frame = Frame::decode(&bytes).unwrap().unwrap();
    assert_eq!((frame.start, frame.end, frame.rows, frame.len()), (START, START + 7, 4, 231));
    let rows = frame.rows(&Literal, &names()).unwrap();
    let row =
        |id, after, value, payload: &str| EventRow { id, timestamp: START + after, value, payload: payload.into() };
    let expected = [
        row(1, 0, Some(542), r#"{"path":"/tmp"}"#),
        row(2, 5, Some(31.2f32.to_bits()), ""),
        row(3, 6, None, ""),
        row(3, 7, None, r#""txt""#),
    ];
    assert_eq!(rows, expected);
}

/// The payload has a checksum; the header is held against the events.
#[test]
fn every_flipped_bit_of_a_frame_is_seen() {
    let bytes = example();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let is_whole = match Frame::decode(&flipped) {
            Ok(Some(frame)) => frame.rows(&Literal, &names()).is_ok(),
            Ok(None) | Err(_) => false,
        };
        assert!(!is_whole, "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(!matches!(Frame::decode(&bytes[..len]), Ok(Some(_))), "{len}");
    }
}

#[test]
fn a_frame_behind_damaged_bytes_is_found() {
    let mut bytes = example();
    bytes[150] ^= 0xff;
    let second = bytes.len();
    bytes.extend(example());
    assert_eq!(next_frame(&bytes, 1, None), Some(second));
    assert_eq!(next_frame(&bytes, second + 1, None), None);
    let elsewhere = crate::plugin::Partition { start: 0, end: 10 };
    assert_eq!(next_frame(&bytes, 1, Some(elsewhere)), None);
}

/// Both records of the description, a torn one, and each kind of damage.
#[test]
fn the_log_of_the_description_reads_as_it_says() {
    let first = hex("13 0100 0000a9fa39dbd417 80 01 61 01 00000000 00");
    let second = hex("10 0100 00ca43363adbd417 00 01000000 00");
    let whole: Vec<u8> = [first.clone(), second.clone()].concat();
    let mut found = EventNames::new();
    let log = decode_log(&whole, &mut found);
    let row = |timestamp, value| EventRow { id: 1, timestamp, value: Some(value), payload: Vec::new() };
    let rows: Vec<_> = log.records.iter().map(|record| (record.offset, record.row.clone())).collect();
    assert_eq!(rows, [(0, row(START, 0)), (20, row(START + 1_000_000_000, 1))]);
    assert_eq!((log.end, log.damage), (37, None));
    assert_eq!(found[&1], EventName { name: "a".to_owned(), value_type: EventType::Int32 });
    for len in 20..37 {
        let log = decode_log(&whole[..len], &mut EventNames::new());
        assert_eq!((log.records.len(), log.end, log.damage), (1, 20, None), "cut to {len}");
    }
    // A name that nobody announced, flags that are not known, zeros behind the end.
    for (wrong, at) in [(second, 0), (hex("0c 0100 0000a9fa39dbd417 40 00"), 0), ([whole, vec![0; 16]].concat(), 37)] {
        let log = decode_log(&wrong, &mut EventNames::new());
        assert_eq!((log.end, log.damage.map(|damage| damage.offset)), (at, Some(at as u64)));
    }
}

#[test]
fn a_catalog_is_read_and_written_as_the_original_does() {
    let text = "{\n  \"events\": [\n    {\n      \"name\": \"a \\u003c\\u0026\\u003e\",\n      \"id\": 2,\n      \"value_type\": \"float32\"\n    },\n    {\n      \"name\": \"disc.write.slow\",\n      \"id\": 1,\n      \"value_type\": \"int32\"\n    }\n  ]\n}\n";
    let names = decode_catalog(text.as_bytes()).unwrap();
    assert_eq!(names[&2], EventName { name: "a <&>".to_owned(), value_type: EventType::Float32 });
    assert_eq!(String::from_utf8(encode_catalog(&names)).unwrap(), text);
    assert_eq!(missing_id(&names), None);
    for empty in ["", " \n", r#"{"events": []}"#, r#"{"events": null}"#, "{}"] {
        assert_eq!(decode_catalog(empty.as_bytes()), Ok(EventNames::new()), "{empty}");
    }
    // A document without a type, and bytes behind it.
    let names = decode_catalog(br#"{"events":[{"name":"x","id":3}]} %"#).unwrap();
    assert_eq!(names[&3].value_type, EventType::None);
    assert_eq!(missing_id(&names), Some(1));
    let one = |name: &str, id: u32, of: &str| format!(r#"{{"name":"{name}","id":{id},"value_type":"{of}"}}"#);
    let wrong = [
        one("", 1, "none"),
        one("x", 0, "none"),
        one("x", 1_024, "none"),
        one("x", 1, "int64"),
        one(&"x".repeat(256), 1, "none"),
        format!("{},{}", one("x", 1, "none"), one("y", 1, "none")),
        format!("{},{}", one("x", 1, "none"), one("x", 2, "none")),
    ];
    for entries in wrong {
        decode_catalog(format!(r#"{{"events":[{entries}]}}"#).as_bytes()).unwrap_err();
    }
    decode_catalog(b"{\"events\": [").unwrap_err();
}

#[test]
fn files_of_events_are_known_by_their_names() {
    for name in
        ["events.json", "pi.events.wal", "events-2026-05.dat", "events-2026-05.dat.damaged-12", "events.json.damaged-0"]
    {
        assert!(is_events_file(name), "{name}");
    }
    for name in ["pi.wal", "data-2026-05.dat", "events", "events-2026.tar", "catalog.json", "pi.events.wal.next"] {
        assert!(!is_events_file(name), "{name}");
    }
    assert_eq!(log_name("pi"), "pi.events.wal");
    assert_eq!(part_of_file("events-2026-05-22.dat"), Some("2026-05-22"));
}
