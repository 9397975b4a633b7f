//! Bringing a webhook up to date: everything since a time that it wants and has not got, counted first, then sent again by
//! a job, which is watched beside the other ones.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;

use super::Page;
use super::dead_letters;
use super::error::PageError;
use super::frame::{Frame, Section, page};
use super::local_time;
use super::pairs::{Form, Pairs, address};
use super::redelivery::{self, Answered};
use super::state::Dashboard;
use super::visitor::{May, Visitor};
use super::webhook::id_of;
use super::words::Words;
use crate::domain::ids::WebhookId;
use crate::domain::permission::Operate;
use crate::domain::redelivery::RedeliveryWanted;
use crate::domain::webhook::Webhook;
use crate::management::edition::Edition;
use crate::management::webhooks;

/// How far back the form goes until somebody says otherwise.
const USUAL: Duration = Duration::from_hours(24);

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/webhooks/{id}/recover", get(show).post(recover))
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct Recovery {
    frame: Frame,
    w: &'static Words,
    id: WebhookId,
    since: String,
    per_second: String,
    matched: Option<String>,
}

async fn show(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    shown(&dash, &visitor, &webhook, (&Pairs::default(), None))
}

/// The form as it was filled in, and how many would be sent again, if that was asked.
fn shown(dash: &Dashboard, visitor: &Visitor, webhook: &Webhook, (form, matched): (&Pairs, Option<String>)) -> Page {
    let w = visitor.language.words();
    let usual = || local_time::written(dash.clock.now() - USUAL, dash.settings.time_offset);
    page(&Recovery {
        frame: Frame::of(visitor, Section::Webhooks, format!("{}: {}", w.recover, webhook.definition.name), None),
        w,
        id: webhook.id,
        since: form.get("since").map_or_else(usual, str::to_owned),
        per_second: redelivery::per_second(form),
        matched,
    })
}

async fn recover(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>, Form(form): Form) -> Page {
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    let since = form.get("since").and_then(|text| local_time::read(text, dash.settings.time_offset)).ok_or(PageError::Unreadable)?;
    let wanted = RedeliveryWanted::Undelivered { webhook_id: webhook.id, since };
    match redelivery::answer(&dash, &visitor, &form, (webhook.client_id, wanted)).await? {
        Answered::Counted(matched) => shown(&dash, &visitor, &webhook, (&form, Some(matched))),
        Answered::Begun => {
            let id = webhook.id.to_string();
            Ok(Redirect::to(&address(dead_letters::PATH, &[("webhook", &id), ("done", "begun")])).into_response())
        }
    }
}
