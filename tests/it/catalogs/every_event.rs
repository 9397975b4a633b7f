//! Every event of every catalogue of the program: taken, sent and told as its example; refused when a field is missing or of
//! another type; and as many as the systems' pages have.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use webhook_dispatcher::catalog::{BUILT_IN_NAMES, Catalog, Catalogs, EventKind};

use super::scene::{Scene, json_of};

fn catalogs() -> Catalogs {
    Catalogs::built_in().unwrap()
}

/// Every code of a catalogue.
fn codes(catalog: &Catalog) -> Vec<&str> {
    catalog.events.iter().map(|event| event.code.as_str()).collect()
}

/// Every event with the JSON text of each of its examples.
fn examples(catalog: &Catalog) -> impl Iterator<Item = (&EventKind, &str)> {
    catalog
        .events
        .iter()
        .flat_map(|event| event.variants.iter().flat_map(|variant| &variant.payload.examples).map(move |example| (event, example.as_str())))
}

/// A value of another type than this one.
fn of_another_type(value: &Value) -> Value {
    if value.is_string() { json!(7) } else { json!("seven") }
}

#[tokio::test]
async fn every_example_is_taken_sent_and_arrives_equal() {
    for name in BUILT_IN_NAMES {
        let (scene, catalogs) = (Scene::new().await, catalogs());
        let catalog = catalogs.named(name).unwrap();
        // A webhook names at most 100 events.
        let body = json!({"name": "w", "catalog": name, "events": codes(catalog), "method": "POST", "url": scene.receiver.url("/h")});
        scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send().await.expect(201);

        for (event, example) in examples(catalog) {
            let mut told = json_of(&scene.told(event.code.as_str(), example).await);

            told.as_object_mut().unwrap().shift_remove("signature");
            assert_eq!(told.to_string(), serde_json::from_str::<Value>(example).unwrap().to_string(), "{}", event.code);
        }
    }
}

#[tokio::test]
async fn a_missing_field_is_refused_with_its_pointer() {
    let (scene, catalogs) = (Scene::new().await, catalogs());
    let mut tried = 0;
    for name in BUILT_IN_NAMES {
        for event in &catalogs.named(name).unwrap().events {
            let usual = &event.variants[0].payload;
            let example: Map<String, Value> = serde_json::from_str(&usual.examples[0]).unwrap();
            for field in usual.schema["required"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()) {
                let mut without = example.clone();
                without.shift_remove(field);
                // What is left may be one of the event's other shapes.
                if event.variant_of(&Value::Object(without.clone())).is_ok() {
                    continue;
                }
                let refused = scene.hand_in(event.code.as_str(), &Value::Object(without).to_string()).await;
                assert!(refused.problem(422).contains(&format!("payload/{field}")), "{} without {field}: {}", event.code, refused.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
    assert_eq!(scene.rest.events_stored().await, 0);
}

#[tokio::test]
async fn a_field_of_another_type_is_refused_with_its_pointer() {
    let (scene, catalogs) = (Scene::new().await, catalogs());
    for name in BUILT_IN_NAMES {
        for (event, example) in examples(catalogs.named(name).unwrap()) {
            let example: Map<String, Value> = serde_json::from_str(example).unwrap();
            let schema = &event.variants[0].payload.schema;
            for (field, value) in &example {
                // Of the OCR document's data nothing is said.
                if schema["properties"][field] == json!({}) {
                    continue;
                }
                let mut wrong = example.clone();
                wrong.insert(field.clone(), of_another_type(value));
                let refused = scene.hand_in(event.code.as_str(), &Value::Object(wrong).to_string()).await;
                assert!(refused.problem(422).iter().any(|at| at.starts_with("payload/")), "{} {field}: {}", event.code, refused.text);
            }
        }
    }
    assert_eq!(scene.rest.events_stored().await, 0);
}

#[tokio::test]
async fn a_third_shape_of_an_event_with_two_is_refused() {
    let (scene, catalogs) = (Scene::new().await, catalogs());
    let sienge = catalogs.named("sienge").unwrap();
    let with_two: Vec<_> = sienge.events.iter().filter(|event| event.variants.len() > 1).collect();
    assert_eq!(with_two.len(), 5);

    for event in with_two {
        let names: Vec<_> = event.variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["management", "control"], "{}", event.code);
        for example in event.variants.iter().map(|variant| &variant.payload.examples[0]) {
            scene.accept(event.code.as_str(), example).await;
        }
        for third in [r#"{"commissionId": 58, "installments": 2}"#, r#"{"customerId": 1}"#, "{}", "[58]", "58", "null"] {
            scene.hand_in(event.code.as_str(), third).await.problem(422);
        }
    }
}

#[test]
fn there_are_as_many_events_as_the_systems_pages_have() {
    let catalogs = catalogs();
    let sienge = catalogs.named("sienge").unwrap();
    let first_edition: Vec<_> = sienge.events.iter().filter(|event| !event.is_later).collect();
    let definitions: usize = first_edition.iter().map(|event| event.variants.len()).sum();
    assert_eq!((first_edition.len(), definitions, sienge.events.len()), (88, 93, 96));

    let grafeno = catalogs.named("grafeno").unwrap();
    assert_eq!(codes(grafeno), ["approved", "rejected", "validation_pendencies"]);

    let senior = catalogs.named("senior-bpm").unwrap();
    let fields = senior.events.iter().map(|event| event.variants[0].payload.schema["properties"].as_object().unwrap());
    let fields: Vec<&String> = fields.flat_map(|fields| fields.keys()).collect();
    let besides_the_type: BTreeSet<_> = fields.iter().filter(|field| **field != "event_type").collect();
    assert_eq!((senior.events.len(), fields.len(), besides_the_type.len()), (13, 154, 35));

    let ocr = catalogs.named("ocr").unwrap();
    assert_eq!(codes(ocr), ["document.finished", "document.failed"]);
}

#[test]
fn every_event_is_described_in_both_languages_and_no_two_alike() {
    for catalog in catalogs().iter() {
        let english: BTreeSet<_> = catalog.events.iter().map(|event| event.description.en.as_str()).collect();
        let portuguese: BTreeSet<_> = catalog.events.iter().map(|event| event.description.pt.as_str()).collect();

        assert_eq!((english.len(), portuguese.len()), (catalog.events.len(), catalog.events.len()), "{}", catalog.name);
    }
}

#[tokio::test]
async fn odd_spellings_are_taken_both_ways_and_sent_as_they_are_documented() {
    let scene = Scene::new().await;
    let events =
        json!(["ACCOUNTANCY_ACCOUNT_UPDATED", "CONSTRUCTION_DAILY_REPORT_TYPE_CREATED ", "PURCHASE_ORDER_GENERATED_FROM_NEGOCIATION"]);
    scene.webhook("sienge", &events, "/h").await;
    let account = r#"{"companyId":1,"accountId":1101}"#;
    let report = r#"{"type":"CLIMA","id":10}"#;
    let cases = [
        ("ACCOUNTACY_ACCOUNT_UPDATED", account, "ACCOUNTACY_ACCOUNT_UPDATED"),
        ("ACCOUNTANCY_ACCOUNT_UPDATED", account, "ACCOUNTACY_ACCOUNT_UPDATED"),
        ("CONSTRUCTION_DAILY_REPORT_TYPE_CREATED", report, "CONSTRUCTION_DAILY_REPORT_TYPE_CREATED"),
        ("CONSTRUCTION_DAILY_REPORT_TYPE_CREATED ", report, "CONSTRUCTION_DAILY_REPORT_TYPE_CREATED"),
    ];

    for (handed_in, payload, sent) in cases {
        assert_eq!(scene.told(handed_in, payload).await.header("x-sienge-event"), Some(sent));
    }
}
