//! Making and editing a webhook: a form that is held to the rules of the API, and says while one types what breaks them and
//! what would be sent.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Page;
use super::error::PageError;
use super::frame::{Frame, Section, page_with};
use super::messages::in_words;
use super::pairs::{Form, Pairs};
use super::request::in_turn;
use super::state::Dashboard;
use super::view::Choice;
use super::visitor::{May, Visitor};
use super::webhook::id_of;
use super::webhook_fields::WebhookFields;
use super::webhooks::PATH;
use super::words::Words;
use crate::domain::ids::ClientId;
use crate::domain::permission::ManageWebhooks;
use crate::domain::webhook::{Webhook, WebhookDefinition};
use crate::management::change::{Change, restore_masked};
use crate::management::edition::Edition;
use crate::management::fields::{FieldError, Invalid};
use crate::management::trial::{WantedExample, example_for};
use crate::management::{Refusal, definition, webhooks};
use crate::store::records::Page as StorePage;

/// Up to so many clients are offered to choose from.
const MOST_CLIENTS: u32 = 200;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/webhooks/new", get(show_new).post(create))
        .route("/webhooks/{id}/edit", get(show_edit).post(update))
        .route("/webhooks/check", post(check))
}

#[derive(Template)]
#[template(path = "webhook_form.html")]
struct FormPage {
    frame: Frame,
    w: &'static Words,
    fields: WebhookFields,
    methods: Vec<Choice>,
    login_methods: Vec<Choice>,
    /// Clients to choose from, for whoever may act for any.
    clients: Option<Vec<Choice>>,
    errors: Errors,
    action: String,
    back: String,
    /// The webhook that is edited; empty for a new one.
    id: String,
    preview: Option<String>,
}

/// What is wrong, by the field of the form.
#[derive(Default, Serialize)]
struct Errors(BTreeMap<String, String>);

impl Errors {
    fn of(w: &Words, errors: &[FieldError]) -> Self {
        let mut all = BTreeMap::<String, String>::new();
        for FieldError { field, message } in errors {
            let end = field.find(['.', '[']).unwrap_or(field.len());
            let (root, rest) = field.split_at(end);
            let told = [rest.trim_start_matches('.'), &in_words(w, message)].join(" ").trim().to_owned();
            let known = all.entry(root.to_owned()).or_default();
            let separator = if known.is_empty() { "" } else { "; " };
            *known = format!("{known}{separator}{told}");
        }
        Self(all)
    }

    fn get(&self, field: &str) -> &str {
        self.0.get(field).map(String::as_str).unwrap_or_default()
    }

    fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }
}

async fn show_new(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>) -> Page {
    form_page(&dash, &visitor, None, WebhookFields::new(), (None, &Pairs::default())).await
}

async fn show_edit(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Path(id): Path<String>) -> Page {
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    let fields = WebhookFields::stored(&webhook.definition);
    form_page(&dash, &visitor, Some(&webhook), fields, (None, &Pairs::default())).await
}

async fn form_page(
    dash: &Dashboard,
    visitor: &Visitor,
    webhook: Option<&Webhook>,
    fields: WebhookFields,
    (errors, form): (Option<Vec<FieldError>>, &Pairs),
) -> Page {
    let w = visitor.language.words();
    let choice =
        |chosen: &str| ["POST", "PUT", "GET", "DELETE"].map(|method| Choice::new(method, method, &chosen.to_ascii_uppercase())).into();
    let login: Vec<Choice> = choice(&fields.authorization_method);
    let title = webhook.map_or_else(|| w.new_webhook.to_owned(), |webhook| format!("{}: {}", w.edit, webhook.definition.name));
    let id = webhook.map(|webhook| webhook.id.to_string()).unwrap_or_default();
    let back = if id.is_empty() { PATH.to_owned() } else { format!("{PATH}/{id}") };
    let status = if errors.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form_page = FormPage {
        frame: Frame::of(visitor, Section::Webhooks, title, None),
        w,
        methods: choice(&fields.method),
        login_methods: std::iter::once(Choice::new("", "–", &fields.authorization_method)).chain(login).collect(),
        clients: clients(dash, visitor, webhook, form.get("clientId").unwrap_or_default()).await?,
        errors: errors.map(|errors| Errors::of(w, &errors)).unwrap_or_default(),
        action: if id.is_empty() { format!("{PATH}/new") } else { format!("{back}/edit") },
        preview: match webhook {
            Some(webhook) => Some(preview(dash, webhook.clone()).await),
            None => None,
        },
        back,
        id,
        fields,
    };
    page_with(status, &form_page)
}

/// The clients for whom a root key may make a webhook.
async fn clients(dash: &Dashboard, visitor: &Visitor, webhook: Option<&Webhook>, chosen: &str) -> Result<Option<Vec<Choice>>, PageError> {
    if webhook.is_some() || visitor.key.client_id.is_some() {
        return Ok(None);
    }
    let clients = dash.store.clients(StorePage { limit: MOST_CLIENTS, before: None }).await?;
    Ok(Some(clients.into_iter().map(|client| Choice::new(client.id.to_string(), client.name, chosen)).collect()))
}

async fn create(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Form(form): Form) -> Page {
    let fields = WebhookFields::filled(&form, None);
    let (object, mut errors) = fields.object();
    let client_id = client_of(&visitor, &form);
    if client_id.is_none() {
        errors.push(FieldError::new("clientId", "is required"));
    }
    let made = match client_id {
        Some(client_id) if errors.is_empty() => {
            webhooks::create(dash.desk(), &visitor.by(dash.clock.now()), client_id, object, Edition::V1).await
        }
        _ => Err(Refusal::Invalid(Invalid(all_errors(&dash, &object, None, errors)))),
    };
    match made {
        Ok(webhook) => Ok(Redirect::to(&format!("{PATH}/{}?done=created", webhook.id)).into_response()),
        Err(Refusal::Invalid(Invalid(errors))) => form_page(&dash, &visitor, None, fields, (Some(errors), &form)).await,
        Err(Refusal::TypeTaken) => {
            let errors = vec![FieldError::new("type", visitor.language.words().problem_type_taken)];
            form_page(&dash, &visitor, None, fields, (Some(errors), &form)).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// For whom a webhook is made: the visitor's own client, or the one that a root key chose.
fn client_of(visitor: &Visitor, form: &Pairs) -> Option<ClientId> {
    visitor.key.client_id.or_else(|| form.get("clientId")?.parse().ok())
}

async fn update(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Path(id): Path<String>, Form(form): Form) -> Page {
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    let fields = WebhookFields::filled(&form, Some(&webhook.definition));
    let (object, errors) = fields.object();
    let changed = if errors.is_empty() {
        let by = visitor.by(dash.clock.now());
        webhooks::update(dash.desk(), &by, webhook.id, object, (Change::Set, Edition::V1)).await
    } else {
        Err(Refusal::Invalid(Invalid(all_errors(&dash, &object, Some(&webhook.definition), errors))))
    };
    match changed {
        Ok(webhook) => Ok(Redirect::to(&format!("{PATH}/{}?done=saved", webhook.id)).into_response()),
        Err(Refusal::Invalid(Invalid(errors))) => form_page(&dash, &visitor, Some(&webhook), fields, (Some(errors), &form)).await,
        Err(Refusal::TypeTaken) => {
            let errors = vec![FieldError::new("type", visitor.language.words().problem_type_taken)];
            form_page(&dash, &visitor, Some(&webhook), fields, (Some(errors), &form)).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// What a form says as it stands.
#[derive(Serialize)]
struct Checked {
    errors: Errors,
    preview: Option<String>,
}

async fn check(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Form(form): Form) -> Page {
    let stored = match form.get("id") {
        Some(id) => Some(webhooks::find(dash.desk(), visitor.scope(), id_of(id)?, Edition::V1).await?),
        None => None,
    };
    let definition = stored.as_ref().map(|stored| &stored.definition);
    let (object, errors) = WebhookFields::filled(&form, definition).object();
    let w = visitor.language.words();
    let checked = match parsed(&dash, &object, definition) {
        Ok(definition) if errors.is_empty() => {
            let nobody = || ClientId::from(Uuid::nil());
            let unsaved =
                || webhooks::unsaved(dash.desk(), client_of(&visitor, &form).unwrap_or_else(nobody), definition.clone(), dash.clock.now());
            let webhook = stored.map_or_else(unsaved, |stored| Webhook { definition: definition.clone(), ..stored });
            Checked { errors: Errors::default(), preview: Some(preview(&dash, webhook).await) }
        }
        _ => Checked { errors: Errors::of(w, &all_errors(&dash, &object, definition, errors)), preview: None },
    };
    Ok(Json(checked).into_response())
}

/// The definition that a form makes, of what is stored or from nothing.
fn parsed(dash: &Dashboard, object: &Map<String, Value>, stored: Option<&WebhookDefinition>) -> Result<WebhookDefinition, Invalid> {
    let Some(stored) = stored else { return definition::parse(object, Edition::V1, dash.desk().rules) };
    let object = Change::Set.apply(stored, object.clone(), Edition::V1);
    let mut definition = definition::parse(&object, Edition::V1, dash.desk().rules)?;
    restore_masked(&mut definition, stored);
    Ok(definition)
}

/// What the form alone knows to be wrong, and what the parser refuses of the rest.
fn all_errors(
    dash: &Dashboard,
    object: &Map<String, Value>,
    stored: Option<&WebhookDefinition>,
    mut errors: Vec<FieldError>,
) -> Vec<FieldError> {
    if let Err(Invalid(more)) = parsed(dash, object, stored) {
        errors.extend(more);
    }
    errors
}

/// What would be sent for an example, or why nothing would be.
async fn preview(dash: &Dashboard, webhook: Webhook) -> String {
    let event = example_for(dash.desk(), &webhook, WantedExample::default(), dash.clock.now());
    dash.trials.preview(webhook, &event).await.map_or_else(|refused| refused.to_string(), in_turn)
}
