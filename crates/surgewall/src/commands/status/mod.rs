//! `surgewall status`: how a running door does.

mod copy;
mod door;
mod frame;
mod page;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod upstream;
mod verdict;

use std::time::Duration;

use surgewall_gateway::control::{self, Answer, Question, Status as Door};

use self::frame::Frames;
use self::page::Page;
use super::office::{broken, unexpected};
use crate::cli::{Shape, Status, status};
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show;

/// Between two looks.
const REFRESH: Duration = Duration::from_secs(1);
/// Columns where nobody says how many there are.
const COLUMNS: usize = 100;

/// Shows the door, once or until it stops or the user does.
///
/// # Errors
/// No door runs here.
pub(crate) async fn status(place: &Place, asked: &Status) -> Result<Verdict, Fault> {
    match &asked.page {
        None => {}
        Some(status::Page::Serve(asked)) => return copy::serve(asked).await,
        Some(status::Page::Key) => return copy::key(place),
    }
    if asked.format == Shape::Json {
        show::json(&ask(place).await?.ok_or_else(|| nobody(place))?)?;
        return Ok(Verdict::Clean);
    }
    let colourful = show::is_colourful();
    let mut frames = Frames::default();
    let mut seen = false;
    loop {
        let terminal = show::terminal().filter(|_| show::is_terminal());
        // The last column stays free: what clears the rest of a line would clear it too.
        let columns = terminal.map_or(COLUMNS, |(columns, _)| columns.saturating_sub(1));
        match ask(place).await? {
            None if seen => {
                show::err("the door has stopped\n");
                return Ok(Verdict::Clean);
            }
            None => return Err(nobody(place)),
            Some(door) if asked.once => {
                show::out(&text(&door, columns, colourful));
                return Ok(Verdict::Clean);
            }
            Some(door) => show::out(&frames.next(&text(&door, columns, colourful), terminal)),
        }
        seen = true;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Verdict::Clean),
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

async fn ask(place: &Place) -> Result<Option<Door>, Fault> {
    let socket = place.data()?.control_socket();
    match control::ask(&socket, &Question::Status).await.map_err(broken)? {
        None => Ok(None),
        Some(Answer::Status(door)) => Ok(Some(*door)),
        Some(Answer::Error { message }) => Err(Fault::new(message)),
        Some(_) => Err(unexpected()),
    }
}

fn nobody(place: &Place) -> Fault {
    Fault::new(format!("no door is running on {}", place.data_dir.display()))
        .hint("start one with `surgewall serve`, or name its data directory with --data-dir")
}

/// All of it, for a terminal of so many columns.
fn text(door: &Door, columns: usize, colourful: bool) -> String {
    let mut page = Page::new(columns, colourful);
    door::write(&mut page, door);
    upstream::write_built_in(&mut page, door);
    page.gap();
    verdict::write(&mut page, door);
    for (name, upstream) in &door.upstreams {
        let Some(gate) = &upstream.gate else { continue };
        page.gap();
        upstream::write(&mut page, door, name, upstream.servers, gate);
    }
    page.text()
}
