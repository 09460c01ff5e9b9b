def model(dbt, session):
    dbt.config(materialized="table", tags=["snake"])
    return dbt.ref("flour")
