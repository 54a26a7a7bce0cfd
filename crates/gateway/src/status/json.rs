//! The page in the JSON shape of the Statuspage API, version 2: clients and bots
//! that read such pages read this one unchanged.

use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;

use super::component::State;
use super::stories::{Incident, Maintenance, Progress, Update};
use super::view::{ComponentView, View};

/// Which of the API's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `summary.json`: all of what is of interest now.
    Summary,
    /// `status.json`: one word and one sentence.
    Status,
    /// `components.json`.
    Components,
    /// `incidents.json`: the newest fifty.
    Incidents,
    /// `incidents/unresolved.json`.
    Unresolved,
    /// `scheduled-maintenances.json`.
    Maintenances,
    /// `scheduled-maintenances/upcoming.json`.
    Upcoming,
    /// `scheduled-maintenances/active.json`.
    Active,
}

/// The answer's body.
#[must_use]
pub fn render(view: &View, answer: Answer) -> String {
    let mut body = json!({"page": page(view)});
    let mut put = |key: &str, value: Value| {
        body[key] = value;
    };
    match answer {
        Answer::Summary => {
            put("components", components(view));
            put("incidents", incidents(view, view.stories.unresolved()));
            let progress = [Progress::Scheduled, Progress::InProgress];
            put("scheduled_maintenances", maintenances(view, &progress));
            put("status", status(view));
        }
        Answer::Status => put("status", status(view)),
        Answer::Components => put("components", components(view)),
        Answer::Incidents => put("incidents", incidents(view, view.stories.incidents.iter())),
        Answer::Unresolved => put("incidents", incidents(view, view.stories.unresolved())),
        Answer::Maintenances => {
            let progress = [Progress::Scheduled, Progress::InProgress, Progress::Completed];
            put("scheduled_maintenances", maintenances(view, &progress));
        }
        Answer::Upcoming => {
            put("scheduled_maintenances", maintenances(view, &[Progress::Scheduled]));
        }
        Answer::Active => {
            put("scheduled_maintenances", maintenances(view, &[Progress::InProgress]));
        }
    }
    body.to_string()
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn page(view: &View) -> Value {
    json!({
        "id": view.id,
        "name": view.name,
        "url": view.url,
        "time_zone": "Etc/UTC",
        "updated_at": time(view.updated_at),
    })
}

fn status(view: &View) -> Value {
    json!({"indicator": view.indicator().as_str(), "description": view.description()})
}

fn components(view: &View) -> Value {
    let all = view.components.iter().enumerate();
    all.map(|(at, one)| component(view, one, at + 1)).collect()
}

/// The API has no word for what is not known: it is not called operational.
fn component(view: &View, component: &ComponentView, position: usize) -> Value {
    let unknown = component.state.is_none();
    let description = match (unknown, component.description.is_empty()) {
        (true, _) => Value::from("No data yet."),
        (false, true) => Value::Null,
        (false, false) => Value::from(component.description.as_str()),
    };
    let first_day = component.days.iter().find(|day| day.expected + day.maintenance > 0);
    let state = component.state.unwrap_or(State::Degraded);
    json!({
        "id": component.id,
        "name": component.name,
        "status": state.as_str(),
        "created_at": time(first_day.map_or(component.since, |day| day_begin(day.day))),
        "updated_at": time(component.since),
        "position": position,
        "description": description,
        "showcase": true,
        "start_date": first_day.map(|day| time(day_begin(day.day))[..10].to_owned()),
        "group_id": null,
        "page_id": view.id,
        "group": false,
        "only_show_if_degraded": false,
    })
}

fn day_begin(day: u32) -> Timestamp {
    Timestamp::from_millis(u64::from(day) * surgewall_core::clock::DAY_S * 1_000)
}

fn incidents<'a>(view: &View, all: impl Iterator<Item = &'a Incident>) -> Value {
    all.map(|one| incident(view, one)).collect()
}

fn incident(view: &View, incident: &Incident) -> Value {
    let updates = incident.updates.iter();
    let updates: Vec<_> =
        updates.map(|one| update(view, one, incident.id.as_str(), &incident.components)).collect();
    json!({
        "id": incident.id.as_str(),
        "name": incident.title,
        "status": incident.stage.as_str(),
        "created_at": time(incident.started_at),
        "updated_at": time(incident.updated_at()),
        "monitoring_at": incident.monitoring_at.map(time),
        "resolved_at": incident.resolved_at.map(time),
        "impact": incident.impact.as_str(),
        "shortlink": view.link(&incident.id),
        "started_at": time(incident.started_at),
        "page_id": view.id,
        "incident_updates": updates,
        "components": touched(view, &incident.components),
        "reminder_intervals": null,
    })
}

fn maintenances(view: &View, progress: &[Progress]) -> Value {
    view.planned(progress).into_iter().map(|one| maintenance(view, one)).collect()
}

fn maintenance(view: &View, maintenance: &Maintenance) -> Value {
    let progress = maintenance.progress(view.made_at);
    let updates = maintenance.updates.iter();
    let updates: Vec<_> = updates
        .map(|one| update(view, one, maintenance.id.as_str(), &maintenance.components))
        .collect();
    let updated_at = maintenance.updated_at(view.made_at);
    json!({
        "id": maintenance.id.as_str(),
        "name": maintenance.title,
        "status": progress.as_str(),
        "created_at": time(maintenance.announced_at),
        "updated_at": time(updated_at),
        "monitoring_at": null,
        "resolved_at": (progress == Progress::Completed).then(|| time(updated_at)),
        "impact": "maintenance",
        "shortlink": view.link(&maintenance.id),
        "started_at": time(maintenance.announced_at),
        "page_id": view.id,
        "incident_updates": updates,
        "components": touched(view, &maintenance.components),
        "scheduled_for": time(maintenance.from),
        "scheduled_until": time(maintenance.until),
    })
}

fn touched(view: &View, names: &[String]) -> Value {
    let all = view.components.iter().enumerate();
    let touched = all.filter(|(_, one)| names.contains(&one.name));
    touched.map(|(at, one)| component(view, one, at + 1)).collect()
}

fn update(view: &View, update: &Update, owner: &str, names: &[String]) -> Value {
    let touched = view.components.iter().filter(|one| names.contains(&one.name));
    let affected: Vec<_> = touched
        .map(|one| {
            let state = one.state.unwrap_or(State::Degraded).as_str();
            json!({"code": one.id, "name": one.name, "old_status": state, "new_status": state})
        })
        .collect();
    json!({
        "id": update.id.as_str(),
        "status": update.stage,
        "body": update.body,
        "incident_id": owner,
        "created_at": time(update.at),
        "updated_at": time(update.at),
        "display_at": time(update.at),
        "affected_components": if affected.is_empty() { Value::Null } else { affected.into() },
        "deliver_notifications": false,
        "custom_tweet": null,
        "tweet_id": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::stories::Stage;
    use crate::status::view::samples;

    /// The documented fields: name, and what JSON type they have; `?` may be null.
    const PAGE: &[(&str, &str)] = &[
        ("id", "string"),
        ("name", "string"),
        ("url", "string"),
        ("time_zone", "string"),
        ("updated_at", "time"),
    ];
    const STATUS: &[(&str, &str)] = &[("indicator", "string"), ("description", "string")];
    const COMPONENT: &[(&str, &str)] = &[
        ("id", "string"),
        ("name", "string"),
        ("status", "string"),
        ("created_at", "time"),
        ("updated_at", "time"),
        ("position", "number"),
        ("description", "string?"),
        ("showcase", "bool"),
        ("start_date", "string?"),
        ("group_id", "string?"),
        ("page_id", "string"),
        ("group", "bool"),
        ("only_show_if_degraded", "bool"),
    ];
    const INCIDENT: &[(&str, &str)] = &[
        ("id", "string"),
        ("name", "string"),
        ("status", "string"),
        ("created_at", "time"),
        ("updated_at", "time"),
        ("monitoring_at", "time?"),
        ("resolved_at", "time?"),
        ("impact", "string"),
        ("shortlink", "string"),
        ("started_at", "time"),
        ("page_id", "string"),
        ("incident_updates", "array"),
        ("components", "array"),
    ];
    const UPDATE: &[(&str, &str)] = &[
        ("id", "string"),
        ("status", "string"),
        ("body", "string"),
        ("incident_id", "string"),
        ("created_at", "time"),
        ("updated_at", "time"),
        ("display_at", "time"),
        ("affected_components", "array?"),
        ("deliver_notifications", "bool"),
    ];

    fn check(value: &Value, fields: &[(&str, &str)]) {
        for (name, kind) in fields {
            let field = value.get(name).unwrap_or_else(|| panic!("{name} is missing in {value}"));
            let may_be_null = kind.ends_with('?');
            let fits = match kind.trim_end_matches('?') {
                _ if may_be_null && field.is_null() => true,
                "string" => field.is_string(),
                "number" => field.is_u64(),
                "bool" => field.is_boolean(),
                "array" => field.is_array(),
                _ => field.as_str().is_some_and(|text| text.parse::<rfc3339::Instant>().is_ok()),
            };
            assert!(fits, "{name}: {field} is no {kind}");
        }
    }

    /// RFC 3339 in UTC with milliseconds, as the API writes it.
    mod rfc3339 {
        pub(super) struct Instant;

        impl std::str::FromStr for Instant {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                let form = "0000-00-00T00:00:00.000Z";
                let fits = text.len() == form.len()
                    && text
                        .chars()
                        .zip(form.chars())
                        .all(|(c, form)| if form == '0' { c.is_ascii_digit() } else { c == form });
                if fits { Ok(Self) } else { Err(()) }
            }
        }
    }

    fn page() -> View {
        let mut page = samples::view(vec![
            samples::component("API", Some(State::Operational)),
            samples::component("Chat", None),
        ]);
        page.stories.incidents =
            vec![samples::incident(Stage::Identified), samples::incident(Stage::Resolved)];
        page.stories.maintenances = vec![
            samples::maintenance(7_200),
            samples::maintenance(-60),
            samples::maintenance(-90_000),
        ];
        page
    }

    fn answer(view: &View, answer: Answer) -> Value {
        let value: Value = serde_json::from_str(&render(view, answer)).unwrap();
        check(&value["page"], PAGE);
        value
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn every_answer_has_the_documented_fields() {
        let page = page();
        let summary = answer(&page, Answer::Summary);
        assert_eq!(
            keys(&summary),
            ["page", "components", "incidents", "scheduled_maintenances", "status"]
        );
        check(&summary["status"], STATUS);
        for component in summary["components"].as_array().unwrap() {
            check(component, COMPONENT);
        }
        for (one, key, expected) in [
            (Answer::Status, "status", 0),
            (Answer::Components, "components", 2),
            (Answer::Incidents, "incidents", 2),
            (Answer::Unresolved, "incidents", 1),
            (Answer::Maintenances, "scheduled_maintenances", 3),
            (Answer::Upcoming, "scheduled_maintenances", 1),
            (Answer::Active, "scheduled_maintenances", 1),
        ] {
            let body = answer(&page, one);
            assert_eq!(keys(&body), ["page", key], "{one:?}");
            assert_eq!(body[key].as_array().map_or(0, Vec::len), expected, "{one:?}");
        }
    }

    #[test]
    fn incidents_and_maintenances_have_the_documented_fields() {
        let page = page();
        let incidents = answer(&page, Answer::Incidents);
        let maintenances = answer(&page, Answer::Maintenances);
        let all = [&incidents["incidents"], &maintenances["scheduled_maintenances"]];
        for one in all.into_iter().flat_map(|all| all.as_array().unwrap()) {
            check(one, INCIDENT);
            for update in one["incident_updates"].as_array().unwrap() {
                check(update, UPDATE);
                assert_eq!(update["incident_id"], one["id"]);
            }
        }
        let planned = maintenances["scheduled_maintenances"].as_array().unwrap();
        for one in planned {
            check(one, &[("scheduled_for", "time"), ("scheduled_until", "time")]);
            assert_eq!(one["impact"], "maintenance");
        }
        let words: Vec<_> = planned.iter().map(|one| one["status"].clone()).collect();
        assert_eq!(words, ["completed", "in_progress", "scheduled"], "in the order of time");
        let incident = &incidents["incidents"][0];
        assert_eq!(incident["shortlink"], "https://status.example.org/history#inc_a");
        assert_eq!(incident["components"][0]["name"], "API");
        assert_eq!(incident["incident_updates"][0]["affected_components"][0]["name"], "API");
    }

    #[test]
    fn what_is_not_known_is_not_called_operational() {
        let components = answer(&page(), Answer::Components);
        let unknown = &components["components"][1];
        assert_eq!(unknown["status"], "degraded_performance");
        assert_eq!(unknown["description"], "No data yet.");
    }
}
