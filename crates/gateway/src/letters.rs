//! Letters to many: they leave room in the mailer's queue for codes that somebody
//! waits for.

use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_identity::mail::{Letter, MailError, Mailer};

/// Letters that may wait in the mailer's queue when one of many is put there.
const LETTERS_AHEAD_MAX: usize = 50;
/// Between two looks whether there is room for a letter.
const ROOM_INTERVAL: Duration = Duration::from_millis(200);

/// Sends `letter` as soon as few others wait.
///
/// # Errors
/// It cannot be sent to this address.
pub(crate) async fn patient(
    mailer: &Mailer,
    to: &str,
    letter: &Letter<'_>,
    clock: &Clock,
) -> Result<(), MailError> {
    loop {
        while mailer.counts().waiting >= LETTERS_AHEAD_MAX {
            tokio::time::sleep(ROOM_INTERVAL).await;
        }
        match mailer.send(to, letter, clock.now()) {
            Err(MailError::Full) => tokio::time::sleep(ROOM_INTERVAL).await,
            other => return other,
        }
    }
}
