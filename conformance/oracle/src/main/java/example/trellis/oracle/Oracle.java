package example.trellis.oracle;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Questionnaire;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Judges every .json file below a folder with HL7's reference validator, as HAPI FHIR packages it:
 * against base R4 and the profiles that the document claims. It reads nothing from the network.
 *
 * <p>Arguments: the folder of definitions (StructureDefinition, ValueSet, CodeSystem, Questionnaire;
 * differentials are enough, the validator makes its own snapshots), the folder of documents, and the
 * file to write: one JSON object a line, {"file", "errors": [{"id", "location", "text"}], "warnings"}.
 */
public final class Oracle {
  private final FhirContext context = FhirContext.forR4();
  private final ObjectMapper json = new ObjectMapper();
  private final FhirValidator validator;

  private Oracle(Path definitions) throws IOException {
    Definitions ours = new Definitions(context);
    for (Path file : documents(definitions)) {
      ours.add(context.newJsonParser().parseResource(Files.readString(file)));
    }
    FhirInstanceValidator module =
        new FhirInstanceValidator(
            new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                ours,
                new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new SnapshotGeneratingValidationSupport(context)));
    module.setAnyExtensionsAllowed(true);
    module.setErrorForUnknownProfiles(false);
    module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    validator = context.newValidator().registerValidatorModule(module);
  }

  /** What the documents are judged by besides R4. Questionnaires have no place in HAPI's own. */
  private static final class Definitions extends PrePopulatedValidationSupport {
    private final Map<String, Questionnaire> questionnaires = new HashMap<>();

    Definitions(FhirContext context) {
      super(context);
    }

    void add(IBaseResource resource) {
      if (resource instanceof Questionnaire q) {
        questionnaires.put(q.getUrl(), q);
        questionnaires.put(q.getUrl() + "|" + q.getVersion(), q);
      } else {
        addResource(resource);
      }
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T extends IBaseResource> T fetchResource(Class<T> type, String canonical) {
      if (type == Questionnaire.class) {
        return (T) questionnaires.get(canonical);
      }
      return super.fetchResource(type, canonical);
    }
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 3) {
      System.err.println("usage: Oracle DEFINITIONS DOCUMENTS VERDICTS");
      System.exit(2);
    }
    new Oracle(Path.of(args[0])).judge(Path.of(args[1]), Path.of(args[2]));
  }

  private static List<Path> documents(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(f -> f.toString().endsWith(".json")).sorted().toList();
    }
  }

  private void judge(Path folder, Path verdicts) throws Exception {
    List<Path> files = documents(folder);
    ExecutorService pool = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(verdicts))) {
      List<Future<String>> answers =
          files.stream().map(f -> pool.submit(() -> verdict(folder, f))).toList();
      int done = 0;
      for (Future<String> answer : answers) {
        out.println(answer.get());
        if (++done % 250 == 0 || done == answers.size()) {
          System.err.printf("%d of %d documents judged%n", done, answers.size());
        }
      }
    } catch (ExecutionException e) {
      throw new IOException("the validator failed", e.getCause());
    } finally {
      pool.shutdownNow();
    }
  }

  private String verdict(Path folder, Path file) throws IOException {
    ObjectNode line = json.createObjectNode();
    line.put("file", folder.relativize(file).toString());
    ArrayNode errors = line.putArray("errors");
    int warnings = 0;
    for (SingleValidationMessage m : messages(Files.readString(file))) {
      if (m.getSeverity() == ResultSeverityEnum.WARNING) {
        warnings++;
      } else if (m.getSeverity() != ResultSeverityEnum.INFORMATION) {
        errors.addObject()
            .put("id", m.getMessageId())
            .put("location", m.getLocationString())
            .put("text", m.getMessage());
      }
    }
    return json.writeValueAsString(line.put("warnings", warnings));
  }

  /** A document on which the validator itself fails is one that it does not accept. */
  private List<SingleValidationMessage> messages(String document) {
    try {
      return validator.validateWithResult(document).getMessages();
    } catch (RuntimeException e) {
      SingleValidationMessage m = new SingleValidationMessage();
      m.setSeverity(ResultSeverityEnum.FATAL);
      m.setMessageId("validator-failed");
      m.setMessage(e.getClass().getSimpleName() + ": " + e.getMessage());
      return List.of(m);
    }
  }
}
