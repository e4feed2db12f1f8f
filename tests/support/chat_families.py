"""Chat templates in the shapes of model families, written for these tests, and conversations for them; for
make_chat_vectors.py. The marks around the turns are those of the families; the programs are ours."""

TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather <now> & \"here\"", "parameters": {
        "type": "object", "properties": {"place": {"type": "string", "description": "Ort, z. B. Zürich"},
                                         "days": {"type": "integer", "default": 1}}, "required": ["place"]}}},
         {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2}}}]}
ANSWER = {"role": "tool", "tool_call_id": "call00001", "name": "weather", "content": "{\"sky\": \"grey\"}"}
DOCUMENTS = [{"title": "A", "text": "first\ntext"}, {"title": "B \"quoted\"", "text": "zweiter Text"}]


def turn(role, content):
    return {"role": role, "content": content}


U, A, S = (lambda t: turn("user", t)), (lambda t: turn("assistant", t)), (lambda t: turn("system", t))
MULTI = [U("What is 1+1?"), A("2"), U("And 2+2?"), A(" 4 \n"), U("thanks")]
CONVERSATIONS = [
    [U("Hello")], [S("Be brief."), U("Hello")], MULTI, [S("Be brief.\n")] + MULTI, [U("")], [S(""), U(" ")], [],
    [U("  spaces \n\n around\t")], [U("日本語 😀 é\u0301 \u00a0 <|im_end|> {{ x }} {% if %}")], [A("I begin")],
    [U("a"), U("b")], [S("one"), S("two"), U("c")], [turn("other", "?")], [U("q"), A("answer"), S("late"), U("r")],
    [U("q"), A("<think>hm\n</think>\n\nanswer"), U("r"), A("<think>again</think>last")], [{"role": "user"}],
    [turn("user", [{"type": "text", "text": "look: "}, {"type": "image"}, {"type": "text", "text": "nice?"}])],
    [U("q"), {"role": "assistant", "content": "done", "reasoning": "because"}], [turn("user", 5)], [U("line\r\nend'\"\\")]]
TOOL_TALK = [S("Use tools."), U("Weather?"), CALL, ANSWER, A("Grey."), U("ok")]
TWO_CALLS = [U("Both?"), {**CALL, "content": "Let me see.", "tool_calls": CALL["tool_calls"] * 2}, ANSWER, ANSWER]


def cases(with_tools=False, with_documents=False, variables=()):
    out = [{"messages": m, "add_generation_prompt": g} for m in CONVERSATIONS for g in (False, True)]
    if with_tools:
        out += [{"messages": m, "tools": t, "add_generation_prompt": True}
                for m in (TOOL_TALK, TWO_CALLS, [U("hi")], [CALL], [ANSWER, U("x")], [S("s"), U("u")]) for t in (TOOLS, [], None)]
    if with_documents:
        out += [{"messages": [U("hi")], "documents": d, "add_generation_prompt": True} for d in (DOCUMENTS, [], DOCUMENTS[:1])]
    out += [{"messages": MULTI, "variables": v, "add_generation_prompt": True} for v in variables]
    return out


CHATML = r"""{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

CHATML_DEFAULT = r"""{% if messages[0].role != 'system' %}
{{- '<|im_start|>system\nA friendly test assistant.<|im_end|>\n' }}
{% endif %}
{%- for m in messages %}
    {{- '<|im_start|>' ~ m.role ~ '\n' ~ m.content | trim ~ '<|im_end|>' ~ '\n' }}
{%- endfor %}
{%- if add_generation_prompt is defined and add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif -%}"""

LLAMA2 = r"""{%- if messages[0]['role'] == 'system' -%}
  {%- set turns = messages[1:] -%}{%- set system = messages[0]['content'] -%}
{%- else -%}
  {%- set turns = messages -%}{%- set system = false -%}
{%- endif -%}
{%- for m in turns -%}
  {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}
    {{ raise_exception('Turns of user and assistant must alternate, found ' ~ m['role'] ~ ' at ' ~ loop.index) }}
  {%- endif -%}
  {%- if loop.index0 == 0 and system != false -%}
    {%- set text = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + m['content'] -%}
  {%- else -%}
    {%- set text = m['content'] -%}
  {%- endif -%}
  {%- if m['role'] == 'user' -%}
    {{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
  {%- elif m['role'] == 'assistant' -%}
    {{ ' ' + text.strip() + ' ' + eos_token }}
  {%- endif -%}
{%- endfor -%}"""

LLAMA3 = r"""{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "1 Jan 2026" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}{{- "Environment: test\n" }}{%- endif %}
{{- "Date: " + date_string + "\n\n" }}
{%- if tools is not none %}
    {{- "You have these functions:\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time, please.") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + tool_call.name + '", "parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

MISTRAL = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the system message, user and assistant take turns.") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("A call's id has nine characters.") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- elif message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ', "id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Unknown role " ~ message.role) }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = r"""{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] | trim + '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}
{%- for message in rest -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("The roles do not alternate") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Content of a kind that is not known") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}"""

QWEN = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nThe functions are listed in <tools></tools>:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nAnswer with <tool_call>{\"name\": <name>, \"arguments\": <object>}</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

PHI = r"""{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""

ZEPHYR = r"""{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{% generation %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endgeneration %}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

ALPACA = r"""{% set state = {'system': 'Below is a task. Write what answers it.'} %}
{%- set ns = namespace(system=state['system']) %}
{%- for m in messages if m.role == 'system' %}{% set ns.system = m.content %}{% endfor %}
{{- ns.system ~ '\n\n' }}
{%- for m in messages | rejectattr('role', 'equalto', 'system') -%}
### {{ {'user': 'Instruction', 'assistant': 'Response'}.get(m.role, m.role|title) }}:
{{ m.content }}
{%- if m.role == 'assistant' %}{{ eos_token }}{% endif %}
{{ '\n' if not loop.last else '' }}
{%- endfor %}
{% if add_generation_prompt %}

### Response:
{% endif %}"""

VICUNA = r"""{{ bos_token }}{%- set system = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | join(' ') -%}
{{- (system or 'A chat of a person and a machine.') ~ ' ' -}}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}
    USER: {{ message.content|trim }} {# space stays #}
  {%- elif message.role == 'assistant' -%}
    {{ ' ASSISTANT: ' ~ message.content|trim ~ eos_token }}
  {%- elif message.role not in ('system', 'tool') -%}
    {{ raise_exception('No such role: %s (%d)' % (message.role, loop.index)) }}
  {%- endif -%}
{%- endfor -%}
{{- ' ASSISTANT:' if add_generation_prompt -}}"""

DEEPSEEK = r"""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = ns.system_prompt + ('\n\n' if ns.system_prompt else '') + message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not defined %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\n' + '```json' + '\n' + tool['function']['arguments']|tojson + '\n' + '```' + '<｜tool▁call▁end｜>'}}{%- set ns.is_first = true -%}{%- else %}{{'\n' + '<｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '<｜tool▁call▁end｜>'}}{%- endif %}{%- endfor %}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is defined %}{%- if ns.is_tool %}{{'<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\n<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<｜tool▁outputs▁end｜>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}"""

FALCON = r"""{% set names = {'system': 'System', 'user': 'User', 'assistant': 'Falcon'} %}{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}{% if message.role in names %}{{ names[message.role] + ': ' + (message.content | replace('\r\n', '\n') | replace('\n\n', '\n')).strip() }}{% else %}{{ raise_exception('Only system, user and assistant') }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\n' + names['assistant'] + ':' }}{% endif %}"""

COMMAND_R = r"""{{ bos_token }}
{%- macro document(doc, number) -%}
Document: {{ number }}
{% for key, value in doc.items() %}
{{ key | string | upper }}: {{ value | string | indent(2) }}
{% endfor %}
{%- endmacro -%}
{%- macro signature(tool) -%}
def {{ tool.name }}({% for name, spec in tool.parameters.properties.items() %}{{ name }}: {{ {'string': 'str', 'integer': 'int'}[spec.type] | default('object') }}{{ '' if name in (tool.parameters.required or []) else ' = ' ~ spec.default|d('None') }}{{ ', ' if not loop.last }}{% endfor %}):
    '''{{ tool.description or 'no description' }}'''
{%- endmacro -%}
{%- set start = '<|START_OF_TURN_TOKEN|>' -%}{%- set end = '<|END_OF_TURN_TOKEN|>' -%}
{%- if messages[0].role == 'system' -%}{%- set preamble, talk = messages[0].content, messages[1:] -%}
{%- else -%}{%- set preamble, talk = 'You answer questions.', messages -%}{%- endif -%}
{{ start ~ '<|SYSTEM_TOKEN|>' ~ preamble }}
{%- if tools %}{{ '\n\n## Tools\n' }}{% for tool in tools %}{{ signature(tool.function) ~ '\n' }}{% endfor %}{% endif %}
{{- end }}
{%- for message in talk %}
    {%- if message.role == 'user' %}{{ start ~ '<|USER_TOKEN|>' ~ message.content ~ end }}
    {%- elif message.role == 'assistant' %}
        {%- if message.tool_calls %}
            {%- filter trim %}
{{ start }}<|CHATBOT_TOKEN|>Action: ```json
[{% for call in message.tool_calls %}{{ {'tool_name': call.function.name, 'parameters': call.function.arguments} | tojson(indent=2) | indent(4) }}{{ ',' if not loop.last }}{% endfor %}]
```
            {%- endfilter %}{{ end }}
        {%- else %}{{ start ~ '<|CHATBOT_TOKEN|>' ~ message.content ~ end }}{% endif %}
    {%- elif message.role == 'tool' %}{% set results %}<results>{{ message.content }}</results>{% endset %}{{ start ~ '<|SYSTEM_TOKEN|>' ~ results ~ end }}
    {%- else %}{% continue %}{% endif %}
{%- endfor %}
{%- if documents %}{{ start ~ '<|SYSTEM_TOKEN|><results>\n' }}{% for doc in documents %}{{ document(doc, loop.index0) ~ '\n' }}{% endfor %}{{ '</results>' ~ end }}{% endif %}
{%- if add_generation_prompt %}{{ start }}<|CHATBOT_TOKEN|>{% endif %}"""

TYPESCRIPT = r"""{%- macro kind(spec, level=0) -%}
    {%- if spec.type == 'object' -%}
        {{- '{' }}{% for name, part in (spec.properties or {})|dictsort %}
{{ '  ' * (level + 1) }}{{ name }}{{ '' if name in spec.required|default([]) else '?' }}: {{ kind(part, level + 1) }}{{ ',' if not loop.last }}
        {%- endfor %}{{ '}' -}}
    {%- elif spec.type == 'array' -%}{{ kind(spec['items'], level) }}[]
    {%- elif spec.enum is defined -%}{{ spec.enum | map('tojson') | join(' | ') }}
    {%- else -%}{{ spec.type }}{%- endif -%}
{%- endmacro -%}
{%- for tool in tools or [] %}type {{ tool.function.name }} = (_: {{ kind(tool.function.parameters) }}) => any;
{% endfor -%}
{%- for m in messages %}<|start|>{{ m.role }}{% if m.thinking is defined %}<|channel|>analysis<|message|>{{ m.thinking }}<|end|><|start|>{{ m.role }}{% endif %}<|message|>{{ m.content if m.content is string else m.content | tojson }}<|end|>{% endfor -%}
{%- if add_generation_prompt %}<|start|>assistant{% endif %}"""


def family(name, template, tokens=None, **options):
    return {"name": name, "template": template, "tokens": tokens or {}, "cases": cases(**options)}


LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
FAMILIES = [
    family("chatml", CHATML), family("chatml-default", CHATML_DEFAULT), family("llama-2", LLAMA2, LLAMA_TOKENS),
    family("llama-3", LLAMA3, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, with_tools=True,
           variables=[{"date_string": "2 Feb 2027"}]),
    family("mistral", MISTRAL, LLAMA_TOKENS, with_tools=True), family("gemma", GEMMA, {"bos_token": "<bos>", "eos_token": "<eos>"}),
    family("qwen", QWEN, {"eos_token": "<|im_end|>"}, with_tools=True,
           variables=[{"enable_thinking": False}, {"enable_thinking": True}, {"enable_thinking": None}]),
    family("phi", PHI, {"eos_token": "<|endoftext|>"}), family("zephyr", ZEPHYR, LLAMA_TOKENS), family("alpaca", ALPACA, LLAMA_TOKENS),
    family("vicuna", VICUNA, LLAMA_TOKENS), family("deepseek", DEEPSEEK, {"bos_token": "<｜begin▁of▁sentence｜>"}, with_tools=True),
    family("falcon", FALCON), family("command-r", COMMAND_R, {"bos_token": "<BOS_TOKEN>"}, with_tools=True, with_documents=True),
    family("typescript", TYPESCRIPT, with_tools=True),
]
