-- The trace that an event's producer handed it in with (`traceparent`, and after a space `tracestate`), if it has one.
alter table event add column trace text;
