-- depends_on: {{ ref('one') }} {{ ref('two') }}
select '{{ tagged('walk') | join(',') }}' as tagged, {{ numbers(10) }} as total, '{{ tojson({'a': [1, 2]}) }}' as js, {{ fromjson('{"n": 4}').n }} as n, '{{ local_md5('x') }}' as md5, {{ modules.datetime.date(2024, 2, 29).day }} as day, '{{ modules.re.sub('a', 'b', 'banana') }}' as re
