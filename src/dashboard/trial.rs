//! Trying a webhook out: an example is sent to its receiver, and what came back is shown. It is stored nowhere.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;

use super::Page;
use super::delivery::AttemptView;
use super::error::{Clash, PageError};
use super::frame::{Frame, Section, page};
use super::state::Dashboard;
use super::visitor::May;
use super::webhook::id_of;
use super::webhooks::PATH;
use super::words::Words;
use crate::domain::permission::Operate;
use crate::management::edition::Edition;
use crate::management::trial::{WantedExample, example_for};
use crate::management::webhooks;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/webhooks/{id}/test", post(test))
}

#[derive(Template)]
#[template(path = "trial.html")]
struct TrialPage {
    frame: Frame,
    w: &'static Words,
    attempt: AttemptView,
    back: String,
}

/// Sends the example as a delivery would go, with login, signature and all.
async fn test(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    let (w, now) = (visitor.language.words(), dash.clock.now());
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    let frame = Frame::of(&visitor, Section::Webhooks, format!("{}: {}", w.test, webhook.definition.name), None);
    let event = example_for(dash.desk(), &webhook, WantedExample::default(), now);
    let back = format!("{PATH}/{}", webhook.id);
    let attempt = dash.trials.test(webhook, &event).await.map_err(|_| PageError::Conflict(Clash::TestUnderWay))?;
    page(&TrialPage { frame, w, attempt: AttemptView::of(&dash, w, &attempt), back })
}
