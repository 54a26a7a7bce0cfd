//! `surgewall drill deepseek`: the story of January 2025, replayed in acts
//! against a door on loopback. It refuses to guess: a row without an act says
//! `not built`. `drill load` is a flood alone, at length, with a score.

mod acts;
mod card;
mod dataflow;
mod exposure;
mod gate;
mod leak;
mod load;
mod overload;
mod shown;
mod stage;

use crate::cli::Shape;
use crate::cli::drill::Deepseek;
use crate::fault::{Fault, Verdict};
use crate::show;
use card::{Act, Card};
pub(crate) use load::load;
use stage::Stage;

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Requests of one burst.
    pub(crate) burst: usize,
    /// Times that the door is killed.
    pub(crate) kills: usize,
    /// Seconds of each overload.
    pub(crate) flood_s: u64,
}

const SHORT: Size = Size { burst: 60, kills: 2, flood_s: 8 };
const LONG: Size = Size { burst: 400, kills: 10, flood_s: 30 };

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
    let mut note = |act: Act, played| {
        show::err(&format!("{}: {}\n", act.title(), card.note(act, played)));
    };
    // Its gate comes back while the others play.
    let flooded = gate::flood(size).await;
    note(Act::Burst, acts::burst(&mut stage, size).await);
    note(Act::Kill, acts::kill(&mut stage, size).await);
    note(Act::Credentials, acts::credentials(&mut stage).await);
    note(Act::Leak, leak::leak().await);
    note(Act::Exposure, exposure::exposure().await);
    note(Act::DataFlow, dataflow::dataflow().await);
    note(Act::Shown, shown::shown().await);
    let flood = overload::strangers(size).await?;
    note(Act::Flood, overload::held(&flood));
    let crowd = overload::crowd(size).await?;
    note(Act::Cause, overload::named(&crowd, &flood));
    note(
        Act::Gate,
        match flooded {
            Ok(flooded) => flooded.back().await,
            Err(fault) => Err(fault),
        },
    );
    Ok(card)
}
