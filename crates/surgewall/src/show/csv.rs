//! Comma-separated values (RFC 4180), safe to open in a spreadsheet; and
//! reading them back.

/// One line. A text that a spreadsheet would take for a formula gets a quote
/// before it (OWASP, CSV Injection).
pub(crate) fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| quote(&disarm(cell))).collect();
    cells.join(",") + "\r\n"
}

fn disarm(cell: &str) -> String {
    let begins = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let number = cell.parse::<f64>().is_ok();
    if begins && !number { format!("'{cell}") } else { cell.to_owned() }
}

fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// The cells of each line of `text`; empty lines are left out.
///
/// # Errors
/// The line, from 1, on which a quote is not closed or stands in the middle of a cell.
pub(crate) fn read(text: &str) -> Result<Vec<Vec<String>>, usize> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let (mut line, mut quoted, mut closed) = (1, false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => (quoted, closed) = (false, true),
            _ if quoted => cell.push(c),
            '"' if cell.is_empty() && !closed => quoted = true,
            '"' => return Err(line),
            ',' => {
                row.push(std::mem::take(&mut cell));
                closed = false;
            }
            '\r' => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
                closed = false;
            }
            _ if closed => return Err(line),
            _ => cell.push(c),
        }
    }
    if quoted {
        return Err(line);
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_numbers_are_not() {
        let cells = ["=1+1", "+1", "-2.5", "@x", "-x", "a,b", "say \"hi\"", ""].map(str::to_owned);
        let expected = "'=1+1,+1,-2.5,'@x,'-x,\"a,b\",\"say \"\"hi\"\"\",\r\n";
        assert_eq!(line(&cells), expected);
    }

    #[test]
    fn what_was_written_is_read() {
        let cells = ["a,b", "say \"hi\"", "two\nlines", "", "é"].map(str::to_owned);
        assert_eq!(read(&line(&cells)), Ok(vec![cells.to_vec()]));
        assert_eq!(read("a,b\n\n\nc"), Ok(vec![vec!["a".into(), "b".into()], vec!["c".into()]]));
        for (bad, at) in [("a\n\"b", 2), ("a\"b", 1), ("\"a\"b", 1)] {
            assert_eq!(read(bad), Err(at), "{bad}");
        }
        assert_eq!(read(""), Ok(vec![]));
    }
}
