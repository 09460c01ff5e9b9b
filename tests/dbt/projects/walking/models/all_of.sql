-- depends_on: {{ ref('one') }} {{ ref('two') }}
{{ union_of(['one', 'two']) }}
