//! Input made to harm. `cargo fuzz run` goes on where this stops.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use proptest::prelude::*;

use crate::support::{GATE, Home, pipeline};

/// Takes bytes and gives nothing back.
type Reader = fn(&[u8]);

const READERS: [(&str, Reader); 7] = [
    ("definition", stagegate::hostile::definition),
    ("resolver", stagegate::hostile::resolver),
    ("glob", stagegate::hostile::glob),
    ("log", stagegate::hostile::log),
    ("request", stagegate::hostile::request),
    ("event", stagegate::hostile::event),
    ("report", stagegate::hostile::report),
];

fn seeds(reader: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(reader);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{reader} has seeds");
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (
            any::<usize>(),
            prop::sample::select(vec![
                b"#{".to_vec(),
                b"}".to_vec(),
                b"[[".to_vec(),
                b"\"".to_vec(),
                b"\x1b[".to_vec(),
                b"\x1b]0;".to_vec(),
                b"\xff".to_vec(),
                b"\0".to_vec(),
                b"{".to_vec(),
                b"**/".to_vec(),
                b"</testcase>".to_vec(),
                b"<![CDATA[".to_vec(),
                b"&#x110000;".to_vec(),
                b"-9223372036854775808".to_vec(),
                "\u{202e}".as_bytes().to_vec(),
            ])
        )
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for change in changes {
        let place = |at: &usize| at % (data.len() + 1);
        match change {
            Change::Put(at, byte) if !data.is_empty() => {
                let at = at % data.len();
                data[at] = *byte;
            }
            Change::Put(..) => {}
            Change::Insert(at, bytes) => {
                let at = place(at);
                data.splice(at..at, bytes.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = place(at);
                let end = (at + count).min(data.len());
                data.drain(at..end);
            }
            Change::Repeat(at, count) => {
                let at = place(at);
                let part = data[at..(at + count).min(data.len())].to_vec();
                data.splice(at..at, part);
            }
        }
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_nothing_panics(
        which in 0..READERS.len(),
        pick in any::<usize>(),
        changes in prop::collection::vec(change(), 0..8),
    ) {
        let (name, read) = READERS[which];
        let seeds = seeds(name);
        read(&changed(&seeds[pick % seeds.len()], &changes));
    }
}

#[test]
fn nonsense_on_the_socket_is_answered_or_dropped_and_the_runtime_goes_on() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let _watch = home.watch();
    let socket = home.state_dir().join("runtime.sock");
    let deep = "[".repeat(100_000);
    for line in ["", "\n", "{}\n", "{\"protocol\":999,\"body\":\"Follow\"}\n", "\u{fffd}\n", &deep]
    {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("Board"), "{line:.40} is no request: {answer:.200}");
    }
    let other = UnixStream::connect(&socket).unwrap();
    drop(other);
    home.commit("change");
    home.open_gate("p");
}
