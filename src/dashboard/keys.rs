//! Who may call: clients, for root keys, and API keys. A key's text stands on the page that answers its making, and nowhere
//! else ever after.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use serde_json::{Map, Value};

use super::Page;
use super::error::{Clash, PageError};
use super::frame::{Frame, Section, page};
use super::local_time;
use super::pager::{self, Pager};
use super::pairs::{Form, Pairs, Query};
use super::state::Dashboard;
use super::view::{Choice, Moment};
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::client::{ApiKey, Client, KeyHash, Permission, Role, new_key_text};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::domain::permission::{ManageClients, ManageKeys};
use crate::domain::time::Timestamp;
use crate::management::fields::{Fields, name};
use crate::management::keys;
use crate::store::records::{KeyDeletion, Page as StorePage};

const PATH: &str = "/dashboard/keys";

/// How much of a key is shown to tell keys apart.
const PREFIX_LENGTH: usize = 12;

/// Up to so many clients are shown.
const MOST_CLIENTS: u32 = 200;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/keys", get(list).post(create_key))
        .route("/keys/{id}/delete", post(delete_key))
        .route("/clients", post(create_client))
        .route("/clients/{id}/delete", post(delete_client))
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    w: &'static Words,
    keys: Vec<KeyRow>,
    pager: Pager,
    roles: Vec<Choice>,
    /// For whoever manages clients.
    clients: Option<Vec<ClientRow>>,
}

struct KeyRow {
    id: ApiKeyId,
    name: String,
    prefix: String,
    role: &'static str,
    client: String,
    created_at: Moment,
    expires_at: Option<Moment>,
    last_used_at: Option<Moment>,
    is_own: bool,
}

struct ClientRow {
    id: ClientId,
    name: String,
    created_at: Moment,
}

#[derive(Template)]
#[template(path = "new_secret.html")]
struct NewKey {
    frame: Frame,
    w: &'static Words,
    what: &'static str,
    secret: String,
    back: String,
}

async fn list(State(dash): State<Dashboard>, visitor: May<ManageKeys>, Query(query): Query) -> Page {
    let w = visitor.language.words();
    let wanted = pager::wanted::<ApiKeyId>(&query);
    let mut keys = dash.store.api_keys(visitor.scope(), wanted).await?;
    let pager = Pager::cut(w, wanted, &mut keys, |key| key.id.as_uuid(), (PATH, &[]));
    let clients = if visitor.may(Permission::ManageClients) {
        Some(dash.store.clients(StorePage { limit: MOST_CLIENTS, before: None }).await?)
    } else {
        None
    };
    let name_of =
        |id: ClientId| clients.iter().flatten().find(|client| client.id == id).map_or_else(|| id.to_string(), |client| client.name.clone());
    let keys = keys.into_iter().map(|key| KeyRow::of(&dash, &visitor, key, name_of)).collect();
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Root || visitor.key.role == Role::Root);
    let roles = roles.map(|role| Choice::new(role.as_str(), role.as_str(), Role::Viewer.as_str())).collect();
    let clients = clients.map(|clients| clients.into_iter().map(|client| ClientRow::of(&dash, client)).collect());
    let frame = Frame::of(&visitor, Section::Keys, w.keys.to_owned(), query.get("done"));
    page(&KeysPage { frame, w, keys, pager, roles, clients })
}

impl KeyRow {
    fn of(dash: &Dashboard, visitor: &Visitor, key: ApiKey, name_of: impl Fn(ClientId) -> String) -> Self {
        Self {
            id: key.id,
            name: key.name.unwrap_or_default(),
            prefix: key.prefix,
            role: key.role.as_str(),
            client: key.client_id.map(name_of).unwrap_or_default(),
            created_at: dash.moment(key.created_at),
            expires_at: key.expires_at.map(|time| dash.moment(time)),
            last_used_at: key.last_used_at.map(|time| dash.moment(time)),
            is_own: key.id == visitor.key.id,
        }
    }
}

impl ClientRow {
    fn of(dash: &Dashboard, client: Client) -> Self {
        Self { id: client.id, name: client.name, created_at: dash.moment(client.created_at) }
    }
}

async fn create_key(State(dash): State<Dashboard>, visitor: May<ManageKeys>, Form(form): Form) -> Page {
    let (role, client_id) = owner(&visitor, &form)?;
    let name = form.get("name").map(|_| name_in(&form)).transpose()?;
    let (text, now) = (new_key_text(&(dash.key_chance)()), dash.clock.now());
    let key = ApiKey {
        id: dash.ids.next(now),
        client_id,
        role,
        name,
        prefix: text.chars().take(PREFIX_LENGTH).collect(),
        hash: KeyHash::of(&text),
        created_at: now,
        expires_at: expiry(&dash, &form, now)?,
        last_used_at: None,
    };
    if !dash.store.insert_api_key(key, Some(visitor.by(now).actor)).await? {
        return Err(PageError::NotFound);
    }
    let w = visitor.language.words();
    let frame = Frame::of(&visitor, Section::Keys, w.new_key.to_owned(), None);
    page(&NewKey { frame, w, what: w.new_key_how, secret: text, back: PATH.to_owned() })
}

/// What a new key is for, and whose it will be: a client's own keys make keys of that client alone, and never root keys.
fn owner(visitor: &Visitor, form: &Pairs) -> Result<(Role, Option<ClientId>), PageError> {
    let role: Role = form.get("role").and_then(|text| text.parse().ok()).ok_or(PageError::Unreadable)?;
    if role == Role::Root {
        return if visitor.key.role == Role::Root { Ok((role, None)) } else { Err(PageError::Forbidden) };
    }
    let chosen = || form.get("clientId").and_then(|text| text.parse().ok());
    let client_id = visitor.key.client_id.or_else(chosen).ok_or(PageError::Unreadable)?;
    Ok((role, Some(client_id)))
}

/// When the key ends, if it is to end.
fn expiry(dash: &Dashboard, form: &Pairs, now: Timestamp) -> Result<Option<Timestamp>, PageError> {
    let Some(text) = form.get("expiresAt") else { return Ok(None) };
    let end = local_time::read(text, dash.settings.time_offset).filter(|end| *end > now);
    end.map(Some).ok_or(PageError::Unreadable)
}

/// The field `name`, held to the rules of names.
fn name_in(form: &Pairs) -> Result<String, PageError> {
    let object: Map<String, Value> = [("name".to_owned(), form.get("name").unwrap_or_default().into())].into_iter().collect();
    let mut fields = Fields::of(&object);
    let name = fields.required("name", name);
    fields.finish(name).map_err(|_| PageError::Unreadable)
}

async fn delete_key(State(dash): State<Dashboard>, visitor: May<ManageKeys>, Path(id): Path<String>) -> Page {
    let id: ApiKeyId = id.parse().map_err(|_| PageError::NotFound)?;
    let by = visitor.by(dash.clock.now());
    match keys::delete_key(dash.desk(), &by, id).await? {
        KeyDeletion::Deleted => Ok(done("deleted")),
        KeyDeletion::NotFound => Err(PageError::NotFound),
        KeyDeletion::LastRootKey => Err(PageError::Conflict(Clash::LastRootKey)),
    }
}

async fn create_client(State(dash): State<Dashboard>, visitor: May<ManageClients>, Form(form): Form) -> Page {
    let by = visitor.by(dash.clock.now());
    let client = Client { id: dash.ids.next(by.now()), name: name_in(&form)?, created_at: by.now() };
    dash.store.insert_client(client, Some(by.actor)).await?;
    Ok(done("created"))
}

async fn delete_client(State(dash): State<Dashboard>, visitor: May<ManageClients>, Path(id): Path<String>) -> Page {
    let id: ClientId = id.parse().map_err(|_| PageError::NotFound)?;
    let by = visitor.by(dash.clock.now());
    let deleted = keys::delete_client(dash.desk(), &by, id).await?;
    if deleted { Ok(done("deleted")) } else { Err(PageError::NotFound) }
}

fn done(what: &str) -> axum::response::Response {
    Redirect::to(&format!("{PATH}?done={what}")).into_response()
}
