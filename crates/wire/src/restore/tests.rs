//! Words put back, however they were cut.

use proptest::prelude::*;

use super::*;
use crate::said::AnswerText;

const WORD: &str = "[email:3f2a9c1b44d0]";
const VALUE: &str = "ada@example.org";

fn words() -> Words {
    let values = [
        (WORD, VALUE),
        ("[email:3f2a9c1b44d1]", "bob@example.org"),
        ("[phone:000000000001]", "+31 20 123 4567"),
    ];
    Words::new(values.map(|(word, value)| (word.to_owned(), value.to_owned())).into())
}

#[test]
fn words_are_exchanged_and_what_is_none_stays() {
    for (text, expected) in [
        ("no word", None),
        ("[email:ffffffffffff] and [", None),
        ("[[email:3f2a9c1b44d0]]", Some("[ada@example.org]")),
        (
            "a [EMAIL:3F2A9c1b44d0] b [phone:000000000001]",
            Some("a ada@example.org b +31 20 123 4567"),
        ),
        ("[email:3f2a9c1b44d0", None),
        ("[email:3f2a[email:3f2a9c1b44d1]", Some("[email:3f2abob@example.org")),
    ] {
        assert_eq!(words().put_back(text).as_deref(), expected, "{text}");
    }
    let body = Bytes::from(format!(r#"{{"a":"{WORD}","b":"{{\"to\":\"{WORD}\"}}"}}"#));
    let expected = format!(r#"{{"a":"{VALUE}","b":"{{\"to\":\"{VALUE}\"}}"}}"#);
    assert_eq!(words().put_back_whole(body), expected.as_bytes());
}

fn openai(pieces: &[&str]) -> String {
    let event = |piece: &&str| {
        let text = Value::from(*piece);
        format!(
            "data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n"
        )
    };
    pieces.iter().map(event).collect::<String>() + "data: [DONE]\n\n"
}

fn anthropic(pieces: &[&str]) -> String {
    let event = |piece: &&str| {
        let text = Value::from(*piece);
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":{text}}}}}\n\n"
        )
    };
    pieces.iter().map(event).collect()
}

fn responses(pieces: &[&str]) -> String {
    let event = |piece: &&str| {
        let text = Value::from(*piece);
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":{text}}}\n\n"
        )
    };
    pieces.iter().map(event).collect()
}

fn ollama(pieces: &[&str]) -> String {
    let line = |piece: &&str| {
        let text = Value::from(*piece);
        format!(
            "{{\"model\":\"m\",\"message\":{{\"role\":\"assistant\",\"content\":{text}}},\"done\":false}}\n"
        )
    };
    pieces.iter().map(line).collect()
}

fn restored(dialect: ClientDialect, stream: &[u8], chunk: usize) -> String {
    let mut restorer = Restorer::new(dialect, words());
    let mut out = BytesMut::new();
    for bytes in stream.chunks(chunk.max(1)) {
        restorer.push(bytes, &mut out);
    }
    restorer.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn text_of(dialect: ClientDialect, stream: &str) -> String {
    let mut said = AnswerText::new(dialect, 1 << 20);
    said.delivered(stream.as_bytes());
    let (text, cut) = said.finish();
    assert!(!cut);
    text
}

type Form = (ClientDialect, fn(&[&str]) -> String);

const FORMS: [Form; 4] = [
    (ClientDialect::OpenAi, openai),
    (ClientDialect::Anthropic, anthropic),
    (ClientDialect::Responses, responses),
    (ClientDialect::Ollama, ollama),
];

#[test]
fn a_word_is_put_back_wherever_it_is_cut_in_every_dialect() {
    let text = format!("to {WORD}, not [email:ffffffffffff] or [em");
    let expected = format!("to {VALUE}, not [email:ffffffffffff] or [em");
    for (dialect, form) in FORMS {
        for first in 0..=text.len() {
            for second in [first, (first + 1).min(text.len()), (first + 7).min(text.len())] {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let out = restored(dialect, form(&pieces).as_bytes(), usize::MAX);
                assert_eq!(
                    text_of(dialect, &out),
                    text_of(dialect, &form(&[&expected])),
                    "{pieces:?}"
                );
            }
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let out = restored(dialect, form(&letters).as_bytes(), 3);
        assert_eq!(text_of(dialect, &out), text_of(dialect, &form(&[&expected])));
    }
}

#[test]
fn what_has_no_word_goes_out_byte_by_byte() {
    for (dialect, form) in FORMS {
        let stream = form(&["[a] ", "[email:", "zz]", " [ph", "one", "", "[", "end ["]);
        for chunk in [1, 7, usize::MAX] {
            assert_eq!(restored(dialect, stream.as_bytes(), chunk), stream);
        }
    }
    let odd = ": comment\n\nid: 3\ndata: {\"a\":  [1, \"x\"] }\r\n\r\ndata: no json\n\ndata: {\ndata: }\n\n";
    assert_eq!(restored(ClientDialect::OpenAi, odd.as_bytes(), 1), odd);
}

#[test]
fn choices_are_told_apart() {
    let event = |index: u32, text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
        )
    };
    let (a, b) = WORD.split_at(9);
    let other = "[email:3f2a9c1b44d1]".split_at(9);
    let stream = [event(0, a), event(1, other.0), event(0, b), event(1, other.1)].concat();
    let out = restored(ClientDialect::OpenAi, stream.as_bytes(), usize::MAX);
    let expected =
        [event(0, VALUE), event(1, "bob@example.org"), event(0, ""), event(1, "")].concat();
    assert_eq!(out, expected);
}

#[test]
fn what_began_a_word_waits_no_longer_than_its_limit() {
    let mut restorer = Restorer::new(ClientDialect::OpenAi, words());
    let mut out = BytesMut::new();
    let begun = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"[em\"}}]}\n\n";
    let other = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n";
    restorer.push(begun.as_bytes(), &mut out);
    for _ in 1..HELD_EVENTS_MAX {
        restorer.push(other.as_bytes(), &mut out);
    }
    assert!(out.is_empty(), "at the limit it still waits");
    restorer.push(other.as_bytes(), &mut out);
    assert_eq!(out.len(), begun.len() + HELD_EVENTS_MAX * other.len());
}

proptest! {
    /// However a text is cut into events and bytes: what comes out is what comes
    /// out of the whole.
    #[test]
    fn where_it_is_cut_changes_nothing(
        parts in prop::collection::vec(prop_oneof![
            Just(WORD.to_owned()),
            Just("[email:3f2a9c1b44d1]".to_owned()),
            Just("[EMAIL:3f2a9c1b44d0]".to_owned()),
            "[\\[\\]a-e:3]{0,4}",
        ], 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        chunk in 1_usize..50,
        form in 0_usize..4,
    ) {
        let text = parts.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        let (dialect, form) = FORMS[form];
        let out = restored(dialect, form(&pieces).as_bytes(), chunk);
        let expected = words().put_back(&text).unwrap_or(text);
        prop_assert_eq!(text_of(dialect, &out), text_of(dialect, &form(&[&expected])));
    }
}
