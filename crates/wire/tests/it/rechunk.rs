//! How an upstream's bytes are cut into chunks changes nothing.

use proptest::prelude::*;

use surgewall_wire::ClientDialect;

use crate::support::{CLIENTS, golden, run, stream_options};

/// The stream with each of the three line endings.
fn endings(bytes: &[u8]) -> [Vec<u8>; 3] {
    let with = |ending: &str| {
        let text = std::str::from_utf8(bytes).unwrap();
        text.replace('\n', ending).into_bytes()
    };
    [bytes.to_vec(), with("\r\n"), with("\r")]
}

#[test]
fn every_single_cut_and_byte_by_byte() {
    for golden in golden("stream") {
        // The other line endings are cut at random below; here one case stands for them.
        let kinds = if golden.name.starts_with("plain.stream.openai-comments") { 3 } else { 1 };
        for client in [ClientDialect::OpenAi, ClientDialect::Anthropic] {
            let options = stream_options(client, &golden);
            for bytes in endings(&golden.bytes).iter().take(kinds) {
                let whole = run(&options, [bytes.as_slice()]);
                assert_eq!(run(&options, bytes.chunks(1)), whole, "{}", golden.name);
                for at in 0..bytes.len() {
                    let (a, b) = bytes.split_at(at);
                    assert_eq!(run(&options, [a, b]), whole, "{} at {at}", golden.name);
                }
            }
        }
    }
}

#[test]
fn line_endings_change_no_meaning() {
    for golden in golden("stream") {
        for client in CLIENTS {
            let options = stream_options(client, &golden);
            let [lf, crlf, cr] = endings(&golden.bytes).map(|bytes| run(&options, [&bytes[..]]));
            assert_eq!(lf.tally, crlf.tally);
            assert_eq!(lf.tally, cr.tally);
            assert_eq!((&lf.result, lf.done), (&crlf.result, crlf.done));
            if client.matches(golden.upstream()) {
                let unified = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
                assert_eq!(lf.out, unified(&crlf.out), "{}", golden.name);
                assert_eq!(lf.out, unified(&cr.out), "{}", golden.name);
            } else {
                assert_eq!(lf.out, crlf.out);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_cuts(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        client in 0..3_usize,
        ending in 0..3_usize,
    ) {
        let all = golden("stream");
        let golden = which.get(&all);
        let options = stream_options(CLIENTS[client], golden);
        let bytes = &endings(&golden.bytes)[ending];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(run(&options, chunks), run(&options, [bytes.as_slice()]));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), client in 0..3_usize) {
        for golden in golden("stream").iter().filter(|golden| golden.name.starts_with("plain")) {
            let options = stream_options(CLIENTS[client], golden);
            let at = bytes.len() * 7 % golden.bytes.len();
            let (head, tail) = golden.bytes.split_at(at);
            let _ = run(&options, [head, &bytes, tail]);
        }
    }
}
