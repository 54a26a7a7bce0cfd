//! The set-up link of a door that has no owner yet.

use std::io::{IsTerminal as _, stderr};

use surgewall_gateway::door::Door;
use surgewall_gateway::operate::operate;
use surgewall_gateway::pages::links::set_up_link;
use surgewall_store::admin::{Reply, Request, UserRecover};
use surgewall_store::identity::Identity as _;

use crate::show;

/// Prints the link for whoever sits at the terminal. It is never logged: without
/// a terminal, `surgewall admin user recover --owner` prints it.
pub(super) async fn invite(door: &Door) {
    if !stderr().is_terminal() {
        return;
    }
    match door.people.has_owner().await {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => return tracing::warn!(%error, "whether there is an owner is not known"),
    }
    match operate(door, Request::UserRecover(UserRecover::default())).await {
        Ok(Reply::Link { token }) => {
            let listen = &door.policy().config.listen;
            let link = set_up_link(listen, true, token.0.expose());
            show::err(&format!(
                "nobody owns this door yet; make the owner's account here (good once, for an hour):\n  {link}\n"
            ));
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "no set-up link could be made"),
    }
}
