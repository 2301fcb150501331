package com.frauddetection.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import com.frauddetection.client.testing.Repository;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The records and the service's OpenAPI document agree, name by name and type by type. */
class OpenApiTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNode SCHEMAS = schemas();

    /** What a Java type is in JSON. */
    private static final Map<Class<?>, String> JSON_TYPES = Map.of(
            String.class, "string",
            Instant.class, "string",
            boolean.class, "boolean",
            int.class, "integer",
            long.class, "integer",
            Double.class, "number",
            BigDecimal.class, "number",
            List.class, "array",
            Map.class, "object");

    private static JsonNode schemas() {
        try {
            return JSON.readTree(Repository.read("docs/openapi.json")).at("/components/schemas");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Record, schemas that make it up, properties that only the document has, those that only the record has. */
    static Stream<Arguments> pairs() {
        return Stream.of(
                Arguments.of(Transaction.class, List.of("Transaction"), Set.of(), Set.of()),
                Arguments.of(Feedback.class, List.of("Feedback"), Set.of(), Set.of()),
                // `fraud` repeats `is_fraud`, for beans; `fallback` is the client's own word, never the service's.
                Arguments.of(
                        FraudAnalysis.class, List.of("PredictResponse", "BatchDecision"), Set.of("fraud"), Set.of("fallback")),
                Arguments.of(BatchSummary.class, List.of("BatchSummary"), Set.of(), Set.of()),
                Arguments.of(ItemError.class, List.of("ItemError"), Set.of(), Set.of()),
                Arguments.of(FieldFault.class, List.of("FieldFault"), Set.of(), Set.of()),
                Arguments.of(Problem.class, List.of("Problem"), Set.of(), Set.of()),
                Arguments.of(Health.class, List.of("HealthResponse"), Set.of(), Set.of()));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void aRecordHasTheFieldsOfItsSchema(
            Class<? extends Record> type, List<String> names, Set<String> onlyDocument, Set<String> onlyRecord) {
        ObjectNode properties = JSON.createObjectNode();
        Set<String> required = new TreeSet<>();
        names.forEach(name -> collect(SCHEMAS.get(name), properties, required));
        Map<String, RecordComponent> components = Arrays.stream(type.getRecordComponents())
                .collect(Collectors.toMap(OpenApiTest::jsonName, component -> component));

        Set<String> expected = new TreeSet<>(components.keySet());
        expected.removeAll(onlyRecord);
        expected.addAll(onlyDocument);
        Set<String> documented = new TreeSet<>();
        properties.fieldNames().forEachRemaining(documented::add);
        assertThat(expected).isEqualTo(documented);

        components.forEach((name, component) -> {
            if (onlyRecord.contains(name)) {
                return;
            }
            assertThat(fits(component, properties.get(name)))
                    .as("%s as %s for %s", name, component.getGenericType(), properties.get(name))
                    .isTrue();
            boolean demanded = component.getAccessor().getAnnotation(JsonProperty.class).required();
            // What is read must be demanded exactly where it is promised; what is sent is demanded in the constructor.
            if (type != Transaction.class && type != Feedback.class) {
                assertThat(demanded).as(name).isEqualTo(required.contains(name));
            }
        });
    }

    @Test
    void whatTheDocumentRequiresOfATransactionTheRecordDemands() {
        Set<String> required = new TreeSet<>();
        SCHEMAS.at("/Transaction/required").forEach(name -> required.add(name.asText()));
        assertThat(required).containsExactlyInAnyOrder("transaction_id", "amount", "merchant", "location", "timestamp");
        Instant now = Instant.EPOCH;
        for (int missing = 0; missing < 5; missing++) {
            Object[] parts = {"id", BigDecimal.ONE, "m", "l", now};
            parts[missing] = null;
            assertThatNullPointerException()
                    .isThrownBy(() -> new Transaction(
                            (String) parts[0],
                            (BigDecimal) parts[1],
                            (String) parts[2],
                            (String) parts[3],
                            (Instant) parts[4],
                            null,
                            null,
                            null,
                            null,
                            null,
                            null));
        }
    }

    @Test
    void theWordsOfAnEnumerationAreThoseOfTheDocument() {
        assertThat(words(Decision.values())).isEqualTo(texts(SCHEMAS.at("/PredictResponse/properties/decision/enum")));
        Set<String> histories = words(HistoryStatus.values());
        assertThat(histories.remove("unknown")).isTrue();
        assertThat(histories).isEqualTo(texts(SCHEMAS.at("/PredictResponse/properties/history/enum")));
    }

    @Test
    void theBatchIsAsTheDocumentHasIt() {
        assertThat(texts(SCHEMAS.at("/BatchResponse/required"))).containsExactly("model_version", "results", "summary");
        assertThat(texts(SCHEMAS.at("/BatchFailure/required"))).containsExactly("error", "index", "transaction_id");
        assertThat(SCHEMAS.at("/Batch/properties/transactions/maxItems").asInt()).isEqualTo(MLServiceClient.MAX_BATCH);
    }

    @Test
    void theResultOfAFeedbackIsAsTheDocumentHasIt() {
        assertThat(texts(SCHEMAS.at("/Feedback/required"))).containsExactly("is_fraud", "transaction_id");
        assertThat(texts(SCHEMAS.at("/FeedbackResponse/required"))).contains("transaction_id", "result");
        assertThat(texts(SCHEMAS.at("/FeedbackResults/required"))).contains("results");
        assertThat(SCHEMAS.at("/FeedbackResult/oneOf").findValuesAsText("$ref"))
                .containsExactly("#/components/schemas/FeedbackResponse", "#/components/schemas/BatchFailure");
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void theDocumentsExamplesAreRead(
            Class<? extends Record> type, List<String> names, Set<String> onlyDocument, Set<String> onlyRecord)
            throws Exception {
        ObjectNode properties = JSON.createObjectNode();
        names.forEach(name -> collect(SCHEMAS.get(name), properties, new TreeSet<>()));
        ObjectNode example = JSON.createObjectNode();
        properties.properties().forEach(property -> {
            JsonNode value = property.getValue().has("example")
                    ? property.getValue().get("example")
                    : property.getValue().at("/examples/0");
            if (!value.isMissingNode()) {
                example.set(property.getKey(), value);
            }
        });
        // The mapper a bank may have: the records bring their own names and their own leniency.
        ObjectMapper bank = JsonMapper.builder()
                .addModule(new JavaTimeModule())
                .propertyNamingStrategy(PropertyNamingStrategies.UPPER_CAMEL_CASE)
                .build();
        Record read = bank.readValue(example.put("of_later", 1).toString(), type);
        ObjectNode written = bank.valueToTree(read);
        for (String name : onlyRecord) {
            written.remove(name);
        }
        written.properties().forEach(field -> {
            if (example.has(field.getKey()) && !field.getKey().equals("timestamp")) {
                assertThat(parsed(field.getValue())).isEqualTo(parsed(example.get(field.getKey())));
            }
        });
        assertThat(written.size()).isPositive();
    }

    /** As if it had come over the wire: the order of members and the width of numbers are nobody's business. */
    private static JsonNode parsed(JsonNode value) {
        try {
            return JSON.readTree(value.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void collect(JsonNode schema, ObjectNode properties, Set<String> required) {
        if (schema.has("allOf")) {
            schema.get("allOf").forEach(part -> collect(part, properties, required));
        }
        if (schema.has("properties")) {
            properties.setAll((ObjectNode) schema.get("properties"));
            schema.path("required").forEach(name -> required.add(name.asText()));
        }
    }

    private static String jsonName(RecordComponent component) {
        return component.getAccessor().getAnnotation(JsonProperty.class).value();
    }

    private static boolean fits(RecordComponent component, JsonNode schema) {
        Set<String> types = new TreeSet<>();
        if (schema.path("type").isArray()) {
            ((ArrayNode) schema.get("type")).forEach(type -> types.add(type.asText()));
        } else if (schema.has("type")) {
            types.add(schema.get("type").asText());
        }
        schema.path("oneOf").forEach(one -> types.add(one.get("type").asText()));
        Class<?> type = component.getType();
        if (type == long.class && !"int64".equals(schema.path("format").asText())) {
            return false;
        }
        return types.contains(type.isEnum() ? "string" : JSON_TYPES.get(type));
    }

    private static Set<String> words(Enum<?>[] values) {
        return Arrays.stream(values)
                .map(value -> {
                    try {
                        return value.getDeclaringClass().getField(value.name()).getAnnotation(JsonProperty.class).value();
                    } catch (NoSuchFieldException e) {
                        throw new AssertionError(e);
                    }
                })
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Set<String> texts(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .map(JsonNode::asText)
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
