//! An incident for people: fixed templates over typed events, so that nothing
//! that a stranger wrote can speak in it.

#[cfg(test)]
pub(crate) mod samples;
mod sections;
pub(crate) mod words;

use surgewall_core::figures::{count, duration, second};
use surgewall_core::incident::{IncidentEvent, Step};
use surgewall_store::ledger::read::{Incident, Standing, Story};

use super::table::{Column, table};

/// The incidents, one line each.
pub(crate) fn list(incidents: &[Incident]) -> String {
    let rows = incidents.iter().map(|incident| {
        let last = &incident.last;
        let refused: u64 = last.totals.iter().map(|class| class.refused).sum();
        vec![
            incident.id.to_string(),
            second(incident.began),
            lasted(incident),
            last.pool.clone(),
            count(refused),
            words::verdict(last.verdict, &[]),
        ]
    });
    let columns = [
        Column::Left("incident"),
        Column::Left("began (UTC)"),
        Column::Right("lasted"),
        Column::Left("upstream"),
        Column::Right("refused"),
        Column::Left("verdict"),
    ];
    table(&columns, rows.collect())
}

/// How long the overload lasted; the calm minute before the end is not in it.
fn lasted(incident: &Incident) -> String {
    let seconds = overloaded_s(&incident.last);
    match incident.standing {
        Standing::Open => format!("{} so far", duration(seconds)),
        Standing::Closed => duration(seconds),
        Standing::CutOff => format!("{} or more", duration(seconds)),
    }
}

fn overloaded_s(last: &IncidentEvent) -> u64 {
    match last.step {
        Step::Closed { calm_s, .. } => last.elapsed_s.saturating_sub(calm_s),
        _ => last.elapsed_s,
    }
}

/// The whole report of one incident.
pub(crate) fn text(story: &Story) -> String {
    let incident = &story.incident;
    let worst = worst(story);
    let standing = match incident.standing {
        Standing::Open => "Its end is not in the ledger: it goes on, or this is a copy.\n",
        Standing::CutOff => "The door stopped before its end.\n",
        Standing::Closed => "",
    };
    let head = format!(
        "Incident {}\nBegan {} UTC, lasted {}, worst at upstream {}.\n{standing}",
        incident.id,
        second(incident.began),
        lasted(incident),
        super::plain(&worst.pool),
    );
    let sections = [
        sections::verdict(worst),
        sections::otherwise(worst),
        sections::timeline(story),
        sections::requests(&incident.last),
        sections::measured(story),
        sections::door(story),
        sections::capacity(story),
        sections::not_known(story, worst),
    ];
    head + &sections.concat()
}

/// The event that the verdict is told from: the end, which has the worst
/// second; before there is one, the worst event of the latest verdict.
fn worst(story: &Story) -> &IncidentEvent {
    let last = &story.incident.last;
    if matches!(last.step, Step::Closed { .. }) {
        return last;
    }
    let shortfall = |event: &&IncidentEvent| {
        event.numbers.demand.work.saturating_sub(event.numbers.capacity.unwrap_or(0))
    };
    let same = story.events.iter().filter(|event| event.verdict == last.verdict);
    same.max_by_key(shortfall).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told() {
        insta::assert_snapshot!(text(&samples::flood("inc_7Qd0Yw3mXk1bVtR5a")));
    }

    #[test]
    fn what_is_unclear_and_was_cut_off_is_told() {
        insta::assert_snapshot!(text(&samples::unclear("inc_Yw3mXk1bVtR5a7Qd0")));
    }

    #[test]
    fn slow_servers_are_told_of_while_it_lasts_and_only_observed() {
        insta::assert_snapshot!(text(&samples::slow("inc_Xk1bVtR5a7Qd0Yw3m")));
    }

    #[test]
    fn the_list_is_one_line_each() {
        let stories = [samples::flood("inc_a"), samples::unclear("inc_b"), samples::slow("inc_c")];
        insta::assert_snapshot!(list(&stories.map(|story| story.incident)));
    }

    #[test]
    fn every_verdict_and_reason_has_its_sentence() {
        insta::assert_snapshot!(samples::every_sentence());
    }

    #[test]
    fn a_pool_s_name_cannot_move_the_cursor() {
        let mut story = samples::flood("inc_a");
        story.incident.last.pool = "a\x1b[2Jb".to_owned();
        assert!(!text(&story).contains('\x1b'));
    }
}
