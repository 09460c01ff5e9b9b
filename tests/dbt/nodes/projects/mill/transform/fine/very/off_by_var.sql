{{ config(enabled=(var('stones') > 5)) }}
select 1 as a
