//! The settings that a catalogue adds to those that every one has.

use serde_json::Value;

use super::super::error::Report;
use super::super::file::SettingFile;
use super::super::settings::{Setting, SettingKind};
use super::refuse;

pub(super) fn read(written: Vec<SettingFile>, report: &mut Report<'_>) -> Vec<Setting> {
    written.into_iter().enumerate().filter_map(|(place, setting)| one(place, setting, report)).collect()
}

fn one(place: usize, written: SettingFile, report: &mut Report<'_>) -> Option<Setting> {
    let field = |name: &str| format!("settings[{place}].{name}");
    let kind = match written.kind.get_ref().as_str() {
        "text" => SettingKind::Text,
        "flag" => SettingKind::Flag,
        "choice" => SettingKind::Choice(written.choices),
        "time-zone" => SettingKind::TimeZone,
        _ => {
            refuse(report, &written.kind, field("kind"), "must be text, flag, choice or time-zone");
            return None;
        }
    };
    let offset = written.default.span().start;
    let default = serde_json::to_value(written.default.into_inner()).unwrap_or(Value::Null);
    // An empty text stands for nothing settled.
    let default = if default == "" && kind == SettingKind::Text { Value::Null } else { default };
    if !default.is_null()
        && let Err(reason) = kind.check(&default)
    {
        report.refuse(offset, field("default"), reason);
    }
    Some(Setting { name: written.name.into_inner(), kind, default, description: written.description })
}
