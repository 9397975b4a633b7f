//! `/v1/api-keys`: who may call. A key's text is in the answer that makes it, and nowhere else ever after.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Created, NoContent};
use super::auth::{Allowed, Caller};
use super::body::JsonBody;
use super::error::{ApiError, Conflict};
use super::fields::{Fields, Message, name};
use super::openapi::{Name, Operation, Routes, Time};
use super::path::PathId;
use super::query::{PageParameters, PageView, Query};
use super::state::Api;
use crate::domain::client::{ApiKey, KeyHash, Role, new_key_text};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::domain::permission::ManageKeys;
use crate::domain::time::Timestamp;
use crate::management::keys;
use crate::store::records::{KeyDeletion, Scope};

/// How much of a key is shown to tell keys apart.
const PREFIX_LENGTH: usize = 12;

pub(super) fn routes() -> Routes {
    let create = Operation::new("createApiKey", "Makes a key").detail(
        "The key itself is in this answer alone; only a hash of it is kept. An admin makes keys of its own client, a root key \
         those of any client and other root keys.",
    );
    let remove = Operation::new("deleteApiKey", "Deletes a key")
        .detail("It opens nothing any more: here at once, on other nodes within seconds.")
        .conflicts([Conflict::LastRootKey]);
    Routes::of("API keys", "Who may call, and for what.")
        .get("/v1/api-keys", Operation::new("listApiKeys", "Lists the keys, without their texts"), list)
        .post("/v1/api-keys", create, self::create)
        .delete("/v1/api-keys/{id}", remove, self::remove)
}

/// A key to be made.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({"role": "producer", "name": "the pipeline"}))]
#[expect(dead_code, reason = "it tells callers what `create` reads")]
struct KeyFields {
    /// What the key is for.
    role: Role,
    /// Whose it is. A root key has to name the client, except for another root key; an admin may leave it out.
    client_id: Option<ClientId>,
    /// What people call it: one line.
    #[schemars(with = "Option<Name>")]
    name: Option<String>,
    /// From when on it opens nothing any more: a time to come; never when it is left out.
    #[schemars(with = "Option<Time>")]
    expires_at: Option<String>,
}

/// An API key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApiKey")]
struct KeyView {
    /// Its id, by which it is deleted.
    id: ApiKeyId,
    /// Whose it is; null for a root key.
    client_id: Option<ClientId>,
    /// What it is for.
    role: Role,
    /// What people call it.
    name: Option<String>,
    /// The key itself; only for who just made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The first characters of the key, to tell keys apart.
    prefix: String,
    /// When it was made.
    #[schemars(with = "Time")]
    created_at: String,
    /// From when on it opens nothing any more; null if never.
    #[schemars(with = "Option<Time>")]
    expires_at: Option<String>,
    /// When it was used last, to a minute; null if never.
    #[schemars(with = "Option<Time>")]
    last_used_at: Option<String>,
}

async fn create(State(api): State<Api>, caller: Allowed<ManageKeys>, body: JsonBody<KeyFields>) -> Result<Created<KeyView>, ApiError> {
    let now = api.clock.now();
    let wanted = Wanted::read(&body.object()?, &caller, now)?;
    let text = new_key_text(&(api.key_chance)());
    let key = ApiKey {
        id: api.ids.next(now),
        client_id: wanted.client_id,
        role: wanted.role,
        name: wanted.name,
        prefix: text.chars().take(PREFIX_LENGTH).collect(),
        hash: KeyHash::of(&text),
        created_at: now,
        expires_at: wanted.expires_at,
        last_used_at: None,
    };
    let stored = api.store.insert_api_key(key.clone(), Some(caller.actor(now))).await?;
    if stored { Ok(Created(KeyView::of(&api, key, Some(text)))) } else { Err(ApiError::NotFound) }
}

async fn list(
    State(api): State<Api>,
    caller: Allowed<ManageKeys>,
    mut query: Query<PageParameters>,
) -> Result<Json<PageView<KeyView>>, ApiError> {
    let page = query.page::<ApiKeyId>();
    query.finish()?;
    let keys = api.store.api_keys(caller.scope(), page.to_store()).await?;
    Ok(Json(page.show(keys, |key| key.id.as_uuid(), |key| KeyView::of(&api, key, None))))
}

async fn remove(State(api): State<Api>, caller: Allowed<ManageKeys>, PathId(id): PathId<ApiKeyId>) -> Result<NoContent, ApiError> {
    match keys::delete_key(api.desk(), &caller.by(api.clock.now()), id).await? {
        KeyDeletion::Deleted => Ok(NoContent),
        KeyDeletion::NotFound => Err(ApiError::NotFound),
        KeyDeletion::LastRootKey => Err(Conflict::LastRootKey.into()),
    }
}

/// What a new key is to be.
struct Wanted {
    role: Role,
    client_id: Option<ClientId>,
    name: Option<String>,
    expires_at: Option<Timestamp>,
}

impl Wanted {
    fn read(object: &Map<String, Value>, caller: &Caller, now: Timestamp) -> Result<Self, ApiError> {
        let mut fields = Fields::of(object);
        let role = fields.required("role", role);
        let client_id = fields.optional("clientId", client_id);
        let name = fields.optional("name", name);
        let expires_at = fields.optional("expiresAt", |value| expiry(value, now));
        if role == Some(Role::Root) && client_id.is_some() {
            fields.refuse("clientId", "must not be given for a root key");
        }
        let client_needed = role.is_some_and(|role| role != Role::Root) && caller.scope() == Scope::All;
        if client_needed && fields.value("clientId").is_none() {
            fields.refuse("clientId", "is required");
        }
        let role = fields.finish(role)?;
        Ok(Self { role, client_id: owner(role, client_id, caller)?, name, expires_at })
    }
}

/// Whose the key will be. A client's own keys make keys of that client alone, and never root keys.
fn owner(role: Role, named: Option<ClientId>, caller: &Caller) -> Result<Option<ClientId>, ApiError> {
    match (role, caller.role(), caller.scope()) {
        (Role::Root, Role::Root, _) => Ok(None),
        (Role::Root, _, _) => Err(ApiError::Forbidden),
        (_, _, Scope::Client(own)) if named.is_none_or(|named| named == own) => Ok(Some(own)),
        (_, _, Scope::Client(_)) => Err(ApiError::NotFound),
        (_, _, Scope::All) => Ok(named),
    }
}

fn role(value: &Value) -> Result<Role, Message> {
    let role = value.as_str().and_then(|text| text.parse().ok());
    role.ok_or_else(|| "must be one of root, admin, producer, operator, viewer".into())
}

fn client_id(value: &Value) -> Result<ClientId, Message> {
    let id = value.as_str().and_then(|text| text.parse().ok());
    id.ok_or_else(|| "must be the id of a client".into())
}

fn expiry(value: &Value, now: Timestamp) -> Result<Timestamp, Message> {
    let at = value.as_str().and_then(Timestamp::parse_rfc3339).ok_or("must be an RFC 3339 time with an offset")?;
    if at > now { Ok(at) } else { Err("must be in the future".into()) }
}

impl KeyView {
    fn of(api: &Api, key: ApiKey, text: Option<String>) -> Self {
        let ApiKey { id, client_id, role, name, prefix, created_at, expires_at, last_used_at, hash: _ } = key;
        Self {
            id,
            client_id,
            role,
            name,
            key: text,
            prefix,
            created_at: api.written(created_at),
            expires_at: expires_at.map(|at| api.written(at)),
            last_used_at: last_used_at.map(|at| api.written(at)),
        }
    }
}
