//! Synthetic events for the benchmarks of redaction, on standard output:
//! `redaction_corpus KIND LINES SEED`.
//!
//! Kinds: `plain` (chat events of about 560 bytes, nothing in them), `some` (one
//! line of a hundred holds a secret), `dense` (each line does), `hostile-*` (what
//! would hurt a matcher that backtracks or looks twice).

use std::error::Error;
use std::io::Write as _;

use surgewall_guard::rules::RuleSet;
use surgewall_guard::rules::example::{Dice, expand};

/// Bytes of the text in one event.
const TEXT_BYTES: usize = 410;

const WORDS: &str = "the of and to in a is that for it with as was on be by this are or from at which \
    an not have has had they one you were all her she there would their we him been if more when will \
    so no said what up its about into than them can only other new some could time these two may then \
    do first any my now such like our over man me even most made after also did many before must \
    through back years where much your way well down should because each just those people how too \
    little state good very make world still own see men work long get here between both life being \
    under never day same another know while last might us great old year off come since against go \
    model question answer token password key secret server request response table function value \
    account number address list phone call write explain please summary compare translate code test";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let lines: usize = arguments.next().unwrap_or_default().parse()?;
    let mut dice = Dice::new(arguments.next().unwrap_or_default().parse()?);
    let rules = RuleSet::builtin()?;
    let examples: Vec<&String> = rules.iter().flat_map(|rule| rule.matches()).collect();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in 0..lines {
        let planted = match kind.as_str() {
            "plain" => None,
            "some" if line % 100 != 50 => None,
            "some" | "dense" => Some(expand(examples[dice.below(examples.len())], &mut dice)),
            other => {
                out.write_all(hostile(other, &mut dice)?.as_bytes())?;
                out.write_all(b"\n")?;
                continue;
            }
        };
        writeln!(out, "{}", event(line, planted.as_deref(), &mut dice))?;
    }
    Ok(())
}

/// One event as a line of JSON.
fn event(line: usize, planted: Option<&str>, dice: &mut Dice) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut text = String::new();
    while text.len() < TEXT_BYTES {
        text.push_str(words[dice.below(words.len())]);
        text.push_str(match dice.below(40) {
            0 => ".\n",
            1..3 => ". ",
            3..6 => ", ",
            _ => " ",
        });
        if dice.below(60) == 0 {
            text.push_str(&expand("{digits:3}.{digits:1} ", dice));
        }
    }
    if let Some(planted) = planted {
        let at = text.find(' ').unwrap_or(0);
        text.insert_str(at + 1, &format!("{planted} "));
    }
    let event = serde_json::json!({
        "request_id": expand("req-{hex:16}", dice),
        "at": 1_790_000_000_000_u64 + 137 * u64::try_from(line).unwrap_or(0),
        "model": "deepseek-chat",
        "role": "user",
        "content": text,
    });
    event.to_string()
}

/// A line of 4 KiB that is hard in one way.
fn hostile(kind: &str, dice: &mut Dice) -> Result<String, Box<dyn Error>> {
    let unit = match kind {
        "hostile-keywords" => "password token= secret: api_key \" bearer ".to_owned(),
        "hostile-begun" => expand("sk-{base62:19} ghp_{base62:30} eyJ{base62:20} AKIA ", dice),
        "hostile-escapes" => "\\u0070\\u0061%73%73\\\\u0077\\\"".to_owned(),
        "hostile-base64" => expand("{b64:72} ", dice),
        "hostile-digits" => expand("{digits:4} {digits:4}-{digits:2}.{digits:3}/", dice),
        "hostile-signs" => "a@b:c-d+e(f://g:@h".to_owned(),
        "hostile-words" => "tokentokentokensecretsecretpasswordpassword".to_owned(),
        _ => return Err(format!("no kind {kind}").into()),
    };
    Ok(unit.repeat(4_096 / unit.len()))
}
