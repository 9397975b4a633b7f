//! Dead letters: what was given up, grouped by webhook and reason, and sending it again.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};

use super::Page;
use super::deliveries::{Row, rows};
use super::error::PageError;
use super::frame::{Frame, Section, page};
use super::names::Names;
use super::pager::{self, Pager};
use super::pairs::{Form, Pairs, Query, address};
use super::redelivery::{self, JobRow};
use super::state::Dashboard;
use super::view::{Moment, given_up};
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::client::Permission;
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::ids::DeliveryId;
use crate::domain::permission::{Operate, Read};
use crate::store::records::{DeadLetterGroup, DeliveryFilter};

pub(super) const PATH: &str = "/dashboard/dead-letters";

/// So many of the newest are counted.
const MOST_COUNTED: u32 = 10_000;

/// So many groups are shown, the greatest.
const MOST_GROUPS: usize = 100;

/// No page shows more to be ticked.
const MOST_TICKED: usize = 200;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/dead-letters", get(list)).route("/dead-letters/redeliver", post(redeliver))
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLetters {
    frame: Frame,
    w: &'static Words,
    groups: Vec<Group>,
    /// Whether there are more than were counted.
    has_more: bool,
    rows: Vec<Row>,
    pager: Pager,
    /// The filter, to come back to it.
    webhook: String,
    reason: String,
    may_operate: bool,
    /// Whether it is known whose dead letters a job would be about.
    may_begin: bool,
    /// What such a job would be about.
    about: String,
    matched: Option<String>,
    jobs: Vec<JobRow>,
    per_second: String,
}

struct Group {
    href: String,
    webhook: String,
    reason: String,
    count: u64,
    latest_at: Moment,
    is_chosen: bool,
}

async fn list(State(dash): State<Dashboard>, visitor: May<Read>, Query(query): Query) -> Page {
    shown(&dash, &visitor, &query, None).await
}

/// The page with the filter that `query` says, and how many would be sent again, if that was asked.
pub(super) async fn shown(dash: &Dashboard, visitor: &Visitor, query: &Pairs, matched: Option<String>) -> Page {
    let w = visitor.language.words();
    let wanted = pager::wanted::<DeliveryId>(query);
    let webhook_id = query.get("webhook").and_then(|text| text.parse().ok());
    let reason = query.get("reason").and_then(DeadLetterReason::parse);
    let all = DeliveryFilter { state: Some(DeliveryState::DeadLettered), ..DeliveryFilter::all(visitor.scope()) };
    let filter = DeliveryFilter { webhook_id, ..all }.given_up_for(reason);
    let mut groups = dash.store.dead_letter_groups(visitor.scope(), MOST_COUNTED).await?;
    let has_more = groups.iter().map(|group| group.count).sum::<u64>() >= MOST_COUNTED.into();
    groups.truncate(MOST_GROUPS);
    let groups = self::groups(dash, visitor, groups, &filter).await?;
    let mut deliveries = dash.store.deliveries(filter, wanted).await?;
    let pairs = ["webhook", "reason"].map(|name| (name, query.get(name).unwrap_or_default()));
    let pager = Pager::cut(w, wanted, &mut deliveries, |summary| summary.delivery.id.as_uuid(), (PATH, &pairs));
    let rows = rows(dash, visitor, deliveries).await?;
    let frame = Frame::of(visitor, Section::DeadLetters, w.dead_letters.to_owned(), query.get("done"));
    let may_operate = visitor.may(Permission::Operate);
    let may_begin = may_operate && (visitor.key.client_id.is_some() || !pairs[0].1.is_empty());
    let about = redelivery::about(dash, visitor, query).await?;
    let jobs = redelivery::jobs(dash, visitor).await?;
    let [webhook, reason] = pairs.map(|(_, value)| value.to_owned());
    page(&DeadLetters {
        frame,
        w,
        groups,
        has_more,
        rows,
        pager,
        webhook,
        reason,
        may_operate,
        may_begin,
        about,
        matched,
        jobs,
        per_second: redelivery::per_second(query),
    })
}

async fn groups(
    dash: &Dashboard,
    visitor: &Visitor,
    groups: Vec<DeadLetterGroup>,
    filter: &DeliveryFilter,
) -> Result<Vec<Group>, PageError> {
    let w = visitor.language.words();
    let names = Names::of(dash, visitor.scope(), groups.iter().map(|group| group.webhook_id)).await?;
    let group = |group: DeadLetterGroup| {
        let id = group.webhook_id.to_string();
        Group {
            href: address(PATH, &[("webhook", &id), ("reason", group.reason.as_str())]),
            webhook: names.get(group.webhook_id),
            reason: given_up(w, &group.reason),
            count: group.count,
            latest_at: dash.moment(group.latest_at),
            is_chosen: filter.webhook_id == Some(group.webhook_id) && filter.reason.as_ref() == Some(&group.reason),
        }
    };
    Ok(groups.into_iter().map(group).collect())
}

/// Sends those again that are ticked. One that moved on meanwhile is passed over.
async fn redeliver(State(dash): State<Dashboard>, visitor: May<Operate>, Form(form): Form) -> Page {
    for id in form.all("id").take(MOST_TICKED) {
        let id: DeliveryId = id.parse().map_err(|_| PageError::Unreadable)?;
        let by = visitor.by(dash.clock.now());
        dash.store.redeliver(by.scope, id, by.now(), Some(by.actor)).await?;
    }
    let (webhook, reason) = (form.get("webhook").unwrap_or_default(), form.get("reason").unwrap_or_default());
    let back = address(PATH, &[("webhook", webhook), ("reason", reason), ("done", "redelivered")]);
    Ok(Redirect::to(&back).into_response())
}
