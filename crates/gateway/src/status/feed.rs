//! The page as feeds: RSS 2.0, Atom (RFC 4287), and a calendar of maintenances
//! (RFC 5545).

use std::fmt::Write as _;

use surgewall_core::clock::Timestamp;

use super::stories::{Progress, Update};
use super::view::View;

/// Entries of a feed.
pub(super) const ENTRIES_MAX: usize = 50;
/// Bytes of a line of a calendar, without its end (RFC 5545, 3.1).
const FOLD_BYTES: usize = 75;

/// One entry: what was said last of an incident or a maintenance.
struct Entry {
    title: String,
    link: String,
    at: Timestamp,
    text: String,
}

fn entries(view: &View) -> Vec<Entry> {
    let text = |updates: &[Update]| {
        let said = updates.iter().map(|one| format!("{} ({}): {}", one.stage, one.at, one.body));
        said.collect::<Vec<_>>().join("\n\n")
    };
    let incidents = view.stories.incidents.iter().map(|one| Entry {
        title: one.title.clone(),
        link: view.link(&one.id),
        at: one.updated_at(),
        text: text(&one.updates),
    });
    let maintenances = view.stories.maintenances.iter().map(|one| Entry {
        title: format!("Maintenance: {}", one.title),
        link: view.link(&one.id),
        at: one.updated_at(view.made_at),
        text: format!("From {} until {}.\n\n{}", one.from, one.until, text(&one.updates)),
    });
    let mut all: Vec<_> = incidents.chain(maintenances).collect();
    if let Some(since) = view.stale_since {
        all.push(Entry {
            title: "Source unreachable".to_owned(),
            link: format!("{}/", view.url),
            at: since,
            text: view.description(),
        });
    }
    all.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    all.truncate(ENTRIES_MAX);
    all
}

/// Characters of XML, and none that XML 1.0 does not have.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The feed in Atom's form.
#[must_use]
pub(super) fn atom(view: &View) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>{} status</title>\n<id>urn:surgewall:status:{}</id>\n<updated>{}</updated>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{url}/\"/>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{url}/history.atom\"/>\n",
        xml(&view.name),
        xml(&view.id),
        view.updated_at,
        url = xml(&view.url),
    );
    for entry in entries(view) {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<entry>\n<title>{}</title>\n<id>{link}</id>\n<updated>{}</updated>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{link}\"/>\n\
             <author><name>{}</name></author>\n<content type=\"text\">{}</content>\n</entry>\n",
            xml(&entry.title),
            entry.at,
            xml(&view.name),
            xml(&entry.text),
            link = xml(&entry.link),
        );
    }
    out + "</feed>\n"
}

/// The feed in RSS's form.
#[must_use]
pub(super) fn rss(view: &View) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\">\n<channel>\n\
         <title>{name} status</title>\n<link>{url}/</link>\n\
         <description>Incidents and maintenances of {name}</description>\n\
         <lastBuildDate>{}</lastBuildDate>\n\
         <atom:link rel=\"self\" type=\"application/rss+xml\" href=\"{url}/history.rss\"/>\n",
        rfc_2822(view.updated_at),
        name = xml(&view.name),
        url = xml(&view.url),
    );
    for entry in entries(view) {
        let _ = write!(
            out,
            "<item>\n<title>{}</title>\n<link>{link}</link>\n<guid isPermaLink=\"true\">{link}</guid>\n\
             <pubDate>{}</pubDate>\n<description>{}</description>\n</item>\n",
            xml(&entry.title),
            rfc_2822(entry.at),
            xml(&entry.text),
            link = xml(&entry.link),
        );
    }
    out + "</channel>\n</rss>\n"
}

/// The date as RFC 2822 writes it, `Tue, 24 Dec 2024 00:26:40 +0000`.
#[must_use]
pub(super) fn rfc_2822(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 2024-12-24T00:26:40.000Z
    let text = at.to_string();
    let (date, clock) = (text.get(..10).unwrap_or(""), text.get(11..19).unwrap_or(""));
    let month = date.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
    let weekday = DAYS[usize::try_from(at.day() % 7).unwrap_or(0)];
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    let (day, year) = (date.get(8..10).unwrap_or(""), date.get(..4).unwrap_or(""));
    format!("{weekday}, {day} {month} {year} {clock} +0000")
}

/// Maintenances to come and those that go on, as a calendar.
#[must_use]
pub(super) fn calendar(view: &View) -> String {
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Surgewall//Status//EN".to_owned(),
        format!("X-WR-CALNAME:{}", escaped(&format!("{} maintenance", view.name))),
    ];
    for one in view.planned(&[Progress::Scheduled, Progress::InProgress, Progress::Completed]) {
        let said = one.updates.first().map_or("", |update| update.body.as_str());
        let status = if one.cancelled { "CANCELLED" } else { "CONFIRMED" };
        lines.extend([
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}@{}", one.id, view.id),
            format!("DTSTAMP:{}", stamp(one.updated_at(view.made_at))),
            format!("DTSTART:{}", stamp(one.from)),
            format!("DTEND:{}", stamp(one.until)),
            format!("SEQUENCE:{}", one.updates.len().saturating_sub(1)),
            format!("STATUS:{status}"),
            format!("SUMMARY:{}", escaped(&one.title)),
            format!("DESCRIPTION:{}", escaped(said)),
            format!("URL:{}", view.link(&one.id)),
            "END:VEVENT".to_owned(),
        ]);
    }
    lines.push("END:VCALENDAR".to_owned());
    lines.iter().map(|line| folded(line) + "\r\n").collect()
}

/// `20241224T002640Z`.
fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    let whole = text.split('.').next().unwrap_or("");
    whole.chars().filter(|c| c.is_ascii_digit() || *c == 'T').chain(['Z']).collect()
}

/// A text as RFC 5545, 3.3.11, has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            ';' => out.push_str("\\;"),
            ',' => out.push_str("\\,"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A line in pieces of at most [`FOLD_BYTES`], each further one behind a blank.
fn folded(line: &str) -> String {
    let (mut out, mut bytes) = (String::with_capacity(line.len()), 0);
    for c in line.chars() {
        if bytes + c.len_utf8() > FOLD_BYTES {
            out.push_str("\r\n ");
            bytes = 1;
        }
        out.push(c);
        bytes += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::component::State;
    use crate::status::stories::Stage;
    use crate::status::view::samples;

    fn page() -> View {
        let mut page = samples::view(vec![samples::component("API", Some(State::Operational))]);
        page.stories.incidents = vec![samples::incident(Stage::Resolved)];
        page.stories.maintenances = vec![samples::maintenance(7_200)];
        page
    }

    /// Parses what is well-formed XML of elements, attributes and text; panics
    /// otherwise. Gives back every element with the text in it.
    fn parse(text: &str) -> Vec<(String, String)> {
        let (_, mut rest) = text.split_once("?>").unwrap();
        let (mut open, mut seen): (Vec<(String, String)>, Vec<_>) = (Vec::new(), Vec::new());
        while let Some(at) = rest.find('<') {
            let words = &rest[..at];
            assert!(!words.contains('>'), "a bare > in {words}");
            if let Some((_, inner)) = open.last_mut() {
                *inner += &entities(words);
            }
            let (tag, after) = rest[at + 1..].split_once('>').unwrap();
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                let (opened, inner) = open.pop().unwrap();
                assert_eq!(opened, name);
                seen.push((opened, inner));
            } else {
                let name = tag.trim_end_matches('/').split_whitespace().next().unwrap();
                assert!(tag.matches('"').count() % 2 == 0, "{tag}");
                if !tag.ends_with('/') {
                    open.push((name.to_owned(), String::new()));
                }
            }
        }
        assert!(open.is_empty() && rest.trim().is_empty());
        seen
    }

    fn entities(text: &str) -> String {
        let mut out = text.to_owned();
        for (entity, c) in
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        {
            out = out.replace(entity, c);
        }
        assert!(!text.replace("&amp;", "").contains("& "), "a bare & in {text}");
        out
    }

    fn texts<'a>(seen: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        seen.iter().filter(|(one, _)| one == name).map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn feeds_parse_and_say_what_was_said() {
        let page = page();
        for (feed, entry, text) in
            [(atom(&page), "entry", "content"), (rss(&page), "item", "description")]
        {
            let seen = parse(&feed);
            assert_eq!(texts(&seen, entry).len(), 2);
            let titles = texts(&seen, "title");
            assert!(titles.contains(&"Demand <above> capacity"), "{titles:?}");
            assert!(titles.contains(&"Example & Sons status"));
            let said = texts(&seen, text).join("\n");
            assert!(said.contains("A <b>new</b> word & more, \"quoted\"; ]]>."), "{said}");
        }
        let seen = parse(&atom(&page));
        assert!(texts(&seen, "updated").contains(&"2024-12-24T00:26:49.000Z"));
        let seen = parse(&rss(&page));
        assert!(texts(&seen, "pubDate").contains(&"Tue, 24 Dec 2024 00:26:49 +0000"));
    }

    #[test]
    fn a_stale_copy_says_so_in_its_feeds() {
        let mut page = page();
        page.stale_since = Some(page.made_at);
        for feed in [atom(&page), rss(&page)] {
            let titles = parse(&feed);
            assert!(texts(&titles, "title").contains(&"Source unreachable"));
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_735_689_599_999, "Tue, 31 Dec 2024 23:59:59 +0000"),
        ] {
            assert_eq!(rfc_2822(Timestamp::from_millis(millis)), expected);
        }
    }

    #[test]
    fn the_calendar_is_folded_and_escaped() {
        let calendar = calendar(&page());
        assert!(calendar.ends_with("END:VCALENDAR\r\n"));
        for line in calendar.split("\r\n") {
            assert!(line.len() <= FOLD_BYTES, "{line}");
            assert!(!line.contains(['\r', '\n']));
        }
        let whole = calendar.replace("\r\n ", "");
        for expected in [
            "DTSTART:20241224T022740Z\r\n",
            "DTEND:20241224T032740Z\r\n",
            "SUMMARY:New servers\\, all\\; of them\r\n",
            "DESCRIPTION:Short breaks\\,\\nfor a while.\r\n",
            "STATUS:CONFIRMED\r\n",
        ] {
            assert!(whole.contains(expected), "{expected} is not in {whole}");
        }
        let long = folded(&"ä".repeat(100));
        assert_eq!(long.replace("\r\n ", ""), "ä".repeat(100));
        assert!(long.split("\r\n").all(|line| line.len() <= FOLD_BYTES));
    }
}
