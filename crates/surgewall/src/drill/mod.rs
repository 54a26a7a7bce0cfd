//! `surgewall drill deepseek`: the story of January 2025, replayed in acts
//! against a door on loopback. It refuses to guess: a row without an act says
//! `not built`.

mod acts;
mod card;
mod leak;
mod stage;

use crate::cli::Shape;
use crate::cli::drill::Deepseek;
use crate::fault::{Fault, Verdict};
use crate::show;
use card::{Act, Card};
use stage::Stage;

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Requests of one burst.
    pub(crate) burst: usize,
    /// Times that the door is killed.
    pub(crate) kills: usize,
}

const SHORT: Size = Size { burst: 60, kills: 2 };
const LONG: Size = Size { burst: 400, kills: 10 };

/// Replays the story and prints its card.
///
/// # Errors
/// The stage cannot be set: no free port, no temporary directory.
pub(crate) async fn deepseek(asked: &Deepseek) -> Result<Verdict, Fault> {
    let size = if asked.short { SHORT } else { LONG };
    let card = play(size).await?;
    if let Some(path) = &asked.picture {
        std::fs::write(path, card.svg())
            .map_err(|error| Fault::new(format!("{}: {error}", path.display())))?;
    }
    match asked.format {
        Shape::Text => show::out(&card.text(show::is_colourful())),
        Shape::Json => show::json(&card.json())?,
    }
    Ok(if card.has_failed() { Verdict::Findings } else { Verdict::Clean })
}

async fn play(size: Size) -> Result<Card, Fault> {
    let mut stage = Stage::open().await?;
    let mut card = Card::default();
    for (act, played) in [
        (Act::Burst, acts::burst(&mut stage, size).await),
        (Act::Kill, acts::kill(&mut stage, size).await),
        (Act::Credentials, acts::credentials(&mut stage).await),
        (Act::Leak, leak::leak(&mut stage).await),
    ] {
        show::err(&format!("{}: {}\n", act.title(), card.note(act, played)));
    }
    Ok(card)
}
