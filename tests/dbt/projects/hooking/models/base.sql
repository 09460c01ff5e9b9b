{{ config(pre_hook=["create or replace table {{ target.schema }}.before_base as select 1 as x"]) }} select 1 as id
