//! `[gate]`: what cannot be meant.

use super::availability::country;
use super::data::said;
use super::{Fault, Step, fault};
use crate::config::gate::Gate;
use crate::config::schema::Config;
use crate::gate::GateStep;

/// Entries of `gate.regions` and of `gate.phone_prefixes`.
const CHOSEN_MAX: usize = 256;
/// Digits of a phone prefix (E.164 has at most 15 in a whole number).
const PREFIX_DIGITS_MAX: usize = 15;

/// All that is said of the gate.
pub(super) fn gate(config: &Config) -> Result<(), Fault> {
    let gate = &config.gate;
    said(gate.reason.as_deref(), || vec!["gate".into(), "reason".into()])?;
    bounds(gate)?;
    chosen(gate)?;
    let chosen = !gate.regions.is_empty() || !gate.phone_prefixes.is_empty();
    let to_region = |step: Option<GateStep>| step == Some(GateStep::Region);
    for (key, step) in [("start", gate.start), ("max_step", Some(gate.max_step))] {
        if to_region(step) && !chosen {
            return Err(fault(
                ["gate".into(), key.into()],
                "no region and no phone prefix is chosen",
            )
            .hint("add gate.regions = [\"de\", ...] or gate.phone_prefixes = [\"+49\", ...]"));
        }
    }
    if !gate.regions.is_empty() && config.data.region_files.is_empty() {
        return Err(fault(
            ["gate".into(), "regions".into()],
            "nothing says which addresses are there",
        )
        .hint("name the registries' delegated files in data.region_files"));
    }
    Ok(())
}

fn bounds(gate: &Gate) -> Result<(), Fault> {
    let bounds = [
        ("sign_ups_per_min", gate.sign_ups_per_min, 1_000_000),
        ("hashing_waiting", gate.hashing_waiting, 1_000_000),
        ("up_after_s", gate.up_after_s, 86_400),
        ("down_after_s", gate.down_after_s, 604_800),
        ("in_flight", gate.in_flight, 1_024),
        ("network_in_flight", gate.network_in_flight, 1_024),
        ("network_per_hour", gate.network_per_hour, 1_000_000),
        ("domain_per_hour", gate.domain_per_hour, 1_000_000),
        ("wait_s", gate.wait_s, 3_600),
        ("turn_days", gate.turn_days, 365),
    ];
    for (key, value, most) in bounds {
        if !(1..=most).contains(&value) {
            return Err(fault(["gate".into(), key.into()], format!("from 1 to {most}")));
        }
    }
    Ok(())
}

fn chosen(gate: &Gate) -> Result<(), Fault> {
    for (key, len) in
        [("regions", gate.regions.len()), ("phone_prefixes", gate.phone_prefixes.len())]
    {
        if len > CHOSEN_MAX {
            return Err(fault(
                ["gate".into(), key.into()],
                format!("more than {CHOSEN_MAX} entries"),
            ));
        }
    }
    for (nth, code) in gate.regions.iter().enumerate() {
        country(code, || vec!["gate".into(), "regions".into(), nth.into()])?;
    }
    for (nth, prefix) in gate.phone_prefixes.iter().enumerate() {
        let digits = prefix.strip_prefix('+').unwrap_or("");
        let fits = (1..=PREFIX_DIGITS_MAX).contains(&digits.len());
        if !fits || !digits.bytes().all(|b| b.is_ascii_digit()) {
            let path: [Step; 3] = ["gate".into(), "phone_prefixes".into(), nth.into()];
            return Err(fault(path, "a phone prefix is written like +49 or +4176"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::parse;

    fn shown(text: &str) -> String {
        parse("t.toml", text).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, said) in [
            ("sign_ups_per_min=0", "from 1 to 1000000"),
            ("down_after_s=604801", "from 1 to 604800"),
            ("in_flight=1025", "from 1 to 1024"),
            ("max_step=\"region\"", "no region and no phone prefix"),
            ("start=\"region\"", "no region and no phone prefix"),
            ("start=\"shut\"", "unknown variant `shut`"),
            ("regions=[\"de\"]", "nothing says which addresses"),
            ("regions=[\"eur\"]", "two small letters"),
            ("phone_prefixes=[\"49\"]", "written like +49"),
            ("phone_prefixes=[\"+\"]", "written like +49"),
            ("phone_prefixes=[\"+1234567890123456\"]", "written like +49"),
            ("reason=\"\"", "it is empty"),
        ] {
            let text = format!("[gate]\n{text}\n");
            assert!(shown(&text).contains(said), "{text}\n-> {}", shown(&text));
        }
        for text in [
            "start=\"region\"\nphone_prefixes=[\"+86\",\"+123456789012345\"]",
            "max_step=\"open\"\nreason=\"We are small.\"",
            "in_flight=1024\ndown_after_s=604800\nsign_ups_per_min=1",
        ] {
            assert_eq!(shown(&format!("[gate]\n{text}\n")), "", "{text}");
        }
        let too_many = vec!["\"+1\""; 257].join(",");
        let at_most = vec!["\"+1\""; 256].join(",");
        let prefixes = |list: &str| shown(&format!("[gate]\nphone_prefixes=[{list}]\n"));
        assert_eq!(prefixes(&at_most), "");
        assert!(prefixes(&too_many).contains("more than 256"));
    }
}
