//! A whole small catalogue, and what is said when a part of it is wrong.

use super::*;

/// A system of its own in few lines: two events, one of them with two shapes, a header and a body of its own.
pub(crate) const SMALL: &str = r#"
name = "lumber-yard"
title = "Lumber yard"
description = { en = "Planks that leave the yard.", pt = "Tábuas que saem do pátio." }

[sending]
method = "POST"
headers = [{ name = "x-yard-event", value = "{{ event.type }}" }]
body = '''
{"what":{{ event.type | json }},
 "is":{{ raw }}}'''

[payloads.load]
schema = '''
{"type": "object", "properties": {"planks": {"type": "integer"}}, "required": ["planks"], "additionalProperties": false}'''
examples = ['{"planks": 12}']

[payloads.weight]
schema = '{"type": "object", "properties": {"kilograms": {"type": "number"}}, "required": ["kilograms"]}'
examples = ['{"kilograms": 80.5}']

[[events]]
code = "load.left"
description = { en = "A load left.", pt = "Uma carga saiu." }
variants = [{ name = "counted", payload = "load" }, { name = "weighed", payload = "weight" }]

[[events]]
code = "load.returned"
description = { en = "A load came back.", pt = "Uma carga voltou." }
aliases = ["load.back"]
payload = "load"
"#;

/// What is said of the catalogue with one part replaced.
fn said(part: &str, by: &str) -> String {
    assert!(SMALL.contains(part), "{part}");
    compile("yard.toml", &SMALL.replacen(part, by, 1)).unwrap_err().to_string()
}

#[test]
fn a_small_catalogue_compiles() {
    let catalog = compile("yard.toml", SMALL).unwrap();

    assert_eq!(catalog.name.as_str(), "lumber-yard");
    assert_eq!(catalog.event("load.back").unwrap().code.as_str(), "load.returned");
    assert_eq!(catalog.canonical("load.back"), Some("load.returned"));
    assert_eq!(catalog.canonical("load.lost"), None);
    let left = catalog.event("load.left").unwrap();
    assert_eq!(left.variant_of(&serde_json::json!({"planks": 1})).unwrap().name, "counted");
    assert_eq!(left.variant_of(&serde_json::json!({"kilograms": 1})).unwrap().name, "weighed");
    let breaches = left.variant_of(&serde_json::json!({"litres": 1})).unwrap_err();
    assert_eq!(breaches.iter().map(|breach| breach.pointer.as_str()).collect::<Vec<_>>(), ["/litres", "/planks"]);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_field() {
    assert_eq!(said("lumber-yard", "Lumber Yard"), "yard.toml, line 2: name must be 1 to 50 lower-case letters, digits or hyphens");
    assert!(said("title =", "titel =").starts_with("yard.toml, line 3: unknown field `titel`"), "{}", said("title =", "titel ="));
    assert!(said("method = \"POST\"", "method = \"PATCH\"").starts_with("yard.toml, line 7: sending.method "));
    assert!(said("{{ event.type | json }}", "{{ event.type | jsn }}").contains("filter"));
    assert!(said("\"is\":{{ raw }}", "\"is\":{{ raw").starts_with("yard.toml, line 11: sending.body is no template"));
    assert!(said("\"x-yard-event\"", "\"x yard\"").starts_with("yard.toml, line 8: sending.headers[0].name "));
    assert!(said("\"planks\": 12", "\"planks\": 1.5").contains("line 16: payloads.load.examples[0] does not fit its schema: /planks "));
    assert!(said("\"integer\"", "\"interger\"").contains("payloads.load.schema is no JSON Schema"));
    assert!(
        said("{\"type\": \"object\", \"properties\"", "{\"type\": ,").starts_with("yard.toml, line 15: payloads.load.schema is no JSON")
    );
    assert_eq!(
        said("payload = \"load\"\n", "payload = \"lode\"\n"),
        "yard.toml, line 31: events[1].payload lode is not among the payloads"
    );
    assert!(said("\"load.back\"", "\"load.left\"").contains("events[1].code load.left is there twice"));
}

#[test]
fn a_template_that_makes_no_request_of_an_example_is_found_before_anything_is_sent() {
    assert!(
        said("{{ raw }}}", "{{ raw }}")
            .contains("events[0] (load.left): of an example, the body cannot be made: what comes out is no JSON")
    );
    assert!(said("{{ event.type }}", "{{ event.kind }}").contains("the header x-yard-event cannot be made: undefined value"));
    assert!(said("{{ event.type }}", "a\\nb").contains("the header x-yard-event cannot be made: it cannot carry what comes out"));
}
